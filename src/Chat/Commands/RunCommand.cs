using System.CommandLine;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run [MODEL]</c>: a chat in the terminal, or with -p one completion on stdout.</summary>
internal static class RunCommand
{
    public static void AddTo(RootCommand root, Argument<string?> model, Interrupt interrupt)
    {
        var prompt = new Option<string?>("--prompt", "-p") { Description = "Answer this once, print only the answer, and exit; - reads the prompt from stdin, without its last newline.", HelpName = "TEXT" };
        var raw = new Option<bool>("--raw") { Description = "Continue the text as it is, without the model's chat template (with -p)." };
        var system = new Option<string?>("--system") { Description = "A system message before the conversation.", HelpName = "TEXT" };
        var verbose = new Option<bool>("--verbose", "-v") { Description = "Say on stderr what was loaded and how fast it ran." };
        var engine = new EngineOptionsBinder();
        var sampling = new SamplerOptionsBinder();
        var grammar = new GrammarOptionsBinder();
        root.Arguments.Add(model);
        foreach (var option in new Option[] { prompt, raw, system }) root.Options.Add(option);
        sampling.AddTo(root);
        grammar.AddTo(root);
        engine.AddTo(root);
        root.Options.Add(verbose);
        root.SetAction(async (parsed, cancellation) =>
        {
            var path = parsed.GetValue(model) ?? ModelArgument.Default();
            var text = parsed.GetValue(prompt);
            var isRaw = parsed.GetValue(raw);
            if (isRaw && text is null)
                throw new UsageException("--raw needs a prompt: a chat cannot do without the template", "Add -p TEXT, or leave --raw away.");
            if (isRaw && parsed.GetValue(system) is not null)
                throw new UsageException("--system has no place in a raw completion", "Put the text into the prompt, or leave --raw away.");
            if (text == "-") text = WithoutLastNewline(await StandardInput.ReadToEndAsync(cancellation));

            var form = grammar.Read(parsed);

            using var opened = engine.Open(path, parsed, cancellation);
            var isVerbose = parsed.GetValue(verbose);
            var options = GrammarOptionsBinder.Constrain(sampling.Bind(parsed, opened.File.Metadata), form, opened);
            var messages = new List<ChatMessage>();
            if (parsed.GetValue(system) is { } instructions) messages.Add(new ChatMessage("system", instructions));
            if (text is null)
            {
                await new ChatLoop(opened, messages, options, isVerbose, interrupt).RunAsync(cancellation);
                return ExitCode.Done;
            }
            if (isVerbose)
            {
                await Console.Error.WriteLineAsync($"{Path.GetFileName(path)} on {opened.Backend}, context {opened.ContextLength} tokens");
                if (opened.Experts is { } experts) await Console.Error.WriteLineAsync($"experts {experts}");
            }
            messages.Add(new ChatMessage("user", text));
            var tokens = isRaw
                ? opened.Tokenizer.Encode(text, addSpecial: true, parseSpecial: true)
                : opened.Template.EncodeChat(opened.Tokenizer, messages, addGenerationPrompt: true);
            await CompleteAsync(opened, tokens, options, isVerbose, cancellation);
            return ExitCode.Done;
        });
    }

    private static async Task CompleteAsync(Engine engine, int[] prompt, GenerationOptions options, bool verbose, CancellationToken cancellation)
    {
        if (prompt.Length == 0) throw new UsageException("the prompt is empty", "Give a text that the model can continue.");
        using var session = engine.CreateSession();
        var progress = PromptProgressLine.ForTerminal();
        await using var answer = Generation.Start(session, engine.Tokenizer, prompt, options with { PromptProgress = progress }, cancellation);
        var output = new AnswerWriter();
        await output.CopyAsync(answer.Output);
        var result = await answer.Completion;
        progress?.Clear();
        output.EndLine();
        if (verbose) await Console.Error.WriteLineAsync(Statistics.Line(result));
        if (result.Finish == FinishReason.ContextFull) Note($"the answer was cut: the context of {engine.ContextLength} tokens is full (-c asks for more)");
        cancellation.ThrowIfCancellationRequested();
    }

    private static void Note(string text) => Console.Error.WriteLine("note:  " + text);

    // As $(…) in a shell: what echo and editors put at the end is not meant.
    private static string WithoutLastNewline(string text) =>
        text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
}
