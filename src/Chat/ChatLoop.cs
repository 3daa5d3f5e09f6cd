using WarpDecode.Runtime;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat;

/// <summary>
/// A conversation on the plain console. With a terminal it prompts and explains itself on stderr; without one, each line of stdin
/// is a message and only answers go to stdout.
/// </summary>
internal sealed class ChatLoop(
    Engine engine, Session session, GenerationOptions options, string? system, bool verbose, Interrupt interrupt)
{
    private const string Help =
        """
        /clear   begin anew        /bye     leave (also Ctrl-D)
        /stats   show timings on or off
        End a line with \ to go on in the next. Ctrl-C stops an answer, twice leaves.
        """;

    private readonly bool terminal = !Console.IsInputRedirected;
    private readonly List<ChatMessage> messages = [];
    private bool statistics = verbose;

    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        _ = engine.Template; // fails here, before anybody types, if the model cannot be chatted with
        Begin();
        if (terminal)
        {
            await Console.Error.WriteLineAsync($"{Path.GetFileName(engine.File.Path)} on {engine.Backend}, context {engine.ContextLength} tokens.");
            await Console.Error.WriteLineAsync("Type a message, /help for help, Ctrl-D to leave.");
        }
        while (ReadMessage() is { } text)
        {
            if (text.Trim().Length == 0) continue;
            if (terminal && text.StartsWith('/'))
            {
                if (!Obey(text.Trim())) return ExitCode.Done;
                continue;
            }
            await AnswerAsync(text);
            if (cancellation.IsCancellationRequested) return ExitCode.Interrupted;
        }
        return ExitCode.Done;
    }

    private void Begin()
    {
        messages.Clear();
        if (system is not null) messages.Add(new ChatMessage("system", system));
    }

    /// <summary>Does a slash command; false to leave.</summary>
    private bool Obey(string command)
    {
        switch (command)
        {
            case "/bye" or "/exit" or "/quit":
                return false;
            case "/clear":
                Begin();
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
                Console.Error.WriteLine($"There is no command {command}. /help lists them.");
                return true;
        }
    }

    private async Task AnswerAsync(string text)
    {
        messages.Add(new ChatMessage("user", text));
        var tokens = engine.Template.EncodeChat(engine.Tokenizer, messages, addGenerationPrompt: true);
        if (tokens.Length >= session.ContextLength)
        {
            messages.RemoveAt(messages.Count - 1);
            var needed = $"the conversation needs {tokens.Length} tokens, the context has {session.ContextLength}";
            if (!terminal) throw new UsageException(needed, "Use -c to ask for a longer context, or send less.");
            Failure.Write(needed, "/clear begins anew; wd-run -c N asks for a longer context.");
            return;
        }

        using var scope = interrupt.Scope();
        await using var answer = Generation.Start(session, engine.Tokenizer, tokens, options, scope.Token);
        using var output = new AnswerWriter(keep: true);
        await output.CopyAsync(answer.Output);
        var result = await answer.Completion;
        interrupt.EndScope();
        if (terminal) output.EndLine();
        else output.NewLine();
        messages.Add(new ChatMessage("assistant", output.Text));
        if (result.Finish == FinishReason.Cancelled && terminal) await Console.Error.WriteLineAsync("(stopped)");
        if (result.Finish == FinishReason.ContextFull)
            await Console.Error.WriteLineAsync($"note:  the answer was cut: the context of {session.ContextLength} tokens is full");
        if (statistics) await Console.Error.WriteLineAsync(Statistics.Line(result));
    }

    private string? ReadMessage()
    {
        var text = "";
        while (true)
        {
            if (terminal) Console.Error.Write(text.Length == 0 ? ">>> " : "... ");
            interrupt.AtPrompt = terminal;
            var line = Console.In.ReadLine();
            interrupt.AtPrompt = false;
            if (line is null)
            {
                if (terminal) Console.Error.WriteLine();
                return text.Length == 0 ? null : text;
            }
            if (!terminal || !line.EndsWith('\\')) return text + line;
            text += line[..^1] + "\n";
        }
    }
}
