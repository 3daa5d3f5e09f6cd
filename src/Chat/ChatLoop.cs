using WarpDecode.Runtime;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat;

/// <summary>
/// A conversation on the plain console. With a terminal it prompts and explains itself on stderr; without one, each line of stdin
/// is a message, and only answers go to stdout, each with a newline after it.
/// </summary>
/// <param name="engine">The model.</param>
/// <param name="beginning">Messages that every conversation begins with.</param>
/// <param name="options">How to generate.</param>
/// <param name="style">How answers are read.</param>
/// <param name="verbose">Shows timings from the start.</param>
/// <param name="interrupt">Ctrl-C.</param>
internal sealed class ChatLoop(
    Engine engine, IReadOnlyList<ChatMessage> beginning, GenerationOptions options, AnswerStyle style, bool verbose, Interrupt interrupt)
{
    private const string Help =
        """
        /clear   begin anew        /bye     leave (also Ctrl-D)
        /stats   show timings on or off
        End a line with \ to go on in the next. Ctrl-C stops an answer, twice leaves.
        """;

    private readonly StandardInput input = new();
    private readonly List<ChatMessage> messages = [.. beginning];
    private bool statistics = verbose;

    private static bool Terminal => StandardInput.IsTerminal;

    /// <summary>Talks until the input ends or the user leaves.</summary>
    /// <exception cref="OperationCanceledException">Ctrl-C at the prompt, or a second one.</exception>
    public async Task RunAsync(CancellationToken cancellation)
    {
        _ = engine.Template; // fails here, before anybody types, if the model cannot be chatted with
        _ = engine.Tokenizer;
        if (Terminal)
        {
            await Console.Error.WriteLineAsync($"{Path.GetFileName(engine.File.Path)} on {engine.Backend}, context {engine.ContextLength} tokens.");
            if (statistics && engine.Experts is { } experts) await Console.Error.WriteLineAsync($"experts {experts}");
            if (statistics) await Console.Error.WriteLineAsync($"answers {style.Format.Description}");
            await Console.Error.WriteLineAsync("Type a message, /help for help, Ctrl-D to leave.");
        }
        using var session = engine.CreateSession();
        while (await ReadMessageAsync(cancellation) is { } text)
        {
            if (text.AsSpan().Trim().IsEmpty) continue;
            if (Terminal && text.StartsWith('/'))
            {
                if (!Obey(text.Trim())) return;
                continue;
            }
            await AnswerAsync(session, text, cancellation);
            cancellation.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Does a slash command; false to leave.</summary>
    private bool Obey(string command)
    {
        switch (command)
        {
            case "/bye" or "/exit" or "/quit":
                return false;
            case "/clear":
                messages.Clear();
                messages.AddRange(beginning);
                Console.Error.WriteLine("A new conversation.");
                return true;
            case "/stats":
                statistics = !statistics;
                Console.Error.WriteLine(statistics ? "Timings are shown." : "Timings are not shown.");
                return true;
            case "/help" or "/?":
                Console.Error.WriteLine(Help);
                return true;
            default:
                Console.Error.WriteLine($"There is no command {command.Split(' ')[0]}: /help lists them. A space before it makes it a message.");
                return true;
        }
    }

    private async Task AnswerAsync(Session session, string text, CancellationToken cancellation)
    {
        messages.Add(new ChatMessage("user", text));
        var tokens = engine.Template.EncodeChat(engine.Tokenizer, messages, style.Rendering);
        if (Terminal && tokens.Length >= session.ContextLength)
        {
            messages.RemoveAt(messages.Count - 1);
            Failure.Write(
                $"the conversation needs {tokens.Length} tokens, the context has {session.ContextLength}",
                "/clear begins anew; wd-run -c N asks for a longer context.");
            return;
        }

        // Only a person means the answer with Ctrl-C; a script that feeds lines is ended by it.
        using var stop = Terminal ? interrupt.BeginAnswer(cancellation) : null;
        var progress = PromptProgressLine.ForTerminal();
        await using var answer = Generation.Start(
            session, engine.Tokenizer, tokens, style.Apply(options, engine.Tokenizer) with { PromptProgress = progress }, stop?.Token ?? cancellation);
        var output = new AnswerWriter();
        var reader = style.Reader(engine.Tokenizer, tokens, messages.Sum(m => m.ToolCalls.Count));
        var printer = new AnswerPrinter(reader, output, Terminal && !Console.IsErrorRedirected ? new ReasoningWriter() : null);
        await printer.CopyAsync(answer.Output);
        var result = await answer.Completion;
        progress?.Clear();
        output.EndAnswer();
        messages.Add(printer.Message);
        if (Terminal && result.Finish == FinishReason.Cancelled) await Console.Error.WriteLineAsync("(stopped)");
        if (result.Finish == FinishReason.ContextFull)
            await Console.Error.WriteLineAsync($"note:  the answer was cut: the context of {session.ContextLength} tokens is full");
        if (statistics) await Console.Error.WriteLineAsync(Statistics.Line(result));
    }

    private async Task<string?> ReadMessageAsync(CancellationToken cancellation)
    {
        var text = "";
        while (true)
        {
            if (Terminal) await Console.Error.WriteAsync(text.Length == 0 ? ">>> " : "... ");
            string? line;
            try
            {
                line = await input.ReadLineAsync(cancellation);
            }
            catch (OperationCanceledException) when (Terminal)
            {
                await Console.Error.WriteLineAsync(); // the shell's prompt goes to a line of its own
                throw;
            }
            if (line is null)
            {
                if (Terminal) await Console.Error.WriteLineAsync();
                return text.Length == 0 ? null : text;
            }
            if (!Terminal || !line.EndsWith('\\')) return text + line;
            text += line[..^1] + "\n";
        }
    }
}
