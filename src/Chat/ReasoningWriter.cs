namespace WarpDecode.Chat;

/// <summary>Shows what a model thinks, on stderr: dim on a terminal that can, and never among the answer on stdout.</summary>
/// <param name="stderr">Where it goes.</param>
/// <param name="terminal">Whether that is a terminal.</param>
/// <param name="colors">Whether the terminal shows text dim.</param>
internal sealed class ReasoningWriter(Stream stderr, bool terminal, bool colors)
{
    private readonly AnswerWriter text = new(stderr, terminal);
    private bool begun;

    /// <summary>A writer to this program's stderr.</summary>
    public ReasoningWriter()
        : this(Console.OpenStandardError(), !Console.IsErrorRedirected, HasColors)
    {
    }

    // https://no-color.org, and terminals that print escape sequences as they are.
    private static bool HasColors =>
        !Console.IsErrorRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
        && Environment.GetEnvironmentVariable("TERM") != "dumb";

    /// <summary>Writes a piece of it.</summary>
    public void Write(string piece)
    {
        if (!begun)
        {
            if (terminal) text.Write("Thinking…\n");
            if (colors) stderr.Write("\u001b[2m"u8);
        }
        begun = true;
        text.Write(piece);
    }

    /// <summary>The answer follows, or nothing.</summary>
    public void End()
    {
        if (!begun) return;
        begun = false;
        if (colors) stderr.Write("\u001b[22m"u8);
        text.BreakLine();
        if (terminal) text.Write("\n");
    }
}
