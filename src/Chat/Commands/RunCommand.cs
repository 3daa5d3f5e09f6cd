using System.CommandLine;
using WarpDecode.Chat.Conversations;
using WarpDecode.Chat.Ui;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run [MODEL]</c>: a chat in the terminal, or with -p one completion on stdout.</summary>
internal static class RunCommand
{
    private const string Auto = "auto";
    private const long SmallModel = 1L << 30;
    private const int SmallSessions = 4;

    public static void AddTo(RootCommand root, Argument<string?> model, Interrupt interrupt)
    {
        var prompt = new Option<string?>("--prompt", "-p") { Description = "Answer this once, print only the answer, and exit; - reads the prompt from stdin, without its last newline.", HelpName = "TEXT" };
        var raw = new Option<bool>("--raw") { Description = "Continue the text as it is, without the model's chat template (with -p)." };
        var system = new Option<string?>("--system") { Description = "A system message before the conversation.", HelpName = "TEXT" };
        var format = new Option<string>("--answer-format")
        {
            Description = "How the model writes tool calls, where its template does not say: auto, none (all is content), or "
                + string.Join(", ", AnswerFormat.Names) + ".",
            HelpName = "NAME",
            DefaultValueFactory = _ => Auto,
        }.TakesOneOf([Auto, AnswerFormat.None.Name, .. AnswerFormat.Names]);
        var showReasoning = new Option<bool>("--show-reasoning") { Description = "Say on stderr what the model thinks before it answers (with -p; a chat in a terminal does it always)." };
        var verbose = new Option<bool>("--verbose", "-v") { Description = "Say on stderr what was loaded and how fast it ran." };
        var plain = new Option<bool>("--plain") { Description = "Chat line by line, without a full screen. So it is anyway where TERM is dumb, or stdin or stdout is no terminal." };
        var goOn = new Option<bool>("--continue") { Description = "Go on with the conversation that was held last." };
        var named = new Option<string?>("--conversation") { Description = "Go on with this conversation: its name, its id or the beginning of that.", HelpName = "NAME" }.NotEmpty("a name or id");
        var theme = new Option<string>("--theme")
        {
            Description = "Colours of the full-screen chat: dark, light, 16, or none. Without it, what the terminal says; none where NO_COLOR is set.",
            HelpName = "dark|light|16|none",
        }.TakesOneOf(["dark", "light", "16", "none"]);
        var template = new TemplateOptionsBinder();
        var engine = new EngineOptionsBinder();
        var sampling = new SamplerOptionsBinder();
        var grammar = new GrammarOptionsBinder();
        root.Arguments.Add(model);
        foreach (var option in new Option[] { prompt, raw, system, format, showReasoning, goOn, named, theme, plain }) root.Options.Add(option);
        sampling.AddTo(root);
        grammar.AddTo(root);
        engine.AddTo(root);
        template.AddTo(root);
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
            if (isRaw && template.Given(parsed) is { } misplaced)
                throw new UsageException($"{misplaced} has no place in a raw completion", $"Leave --raw away, or {misplaced}.");
            var own = template.ReadTemplate(parsed);
            var rendering = template.Read(parsed);
            var form = grammar.Read(parsed);
            var isFull = text is null && !parsed.GetValue(plain) && StandardInput.IsTerminal && !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb";
            if (!isFull && new Option[] { goOn, named }.FirstOrDefault(o => parsed.GetResult(o) is { Implicit: false }) is { } lonely)
                throw new UsageException($"{lonely.Name} is for the full-screen chat", "Leave -p or --plain away, and run it in a terminal.");
            if (isFull)
            {
                FullScreen(parsed, path, (model, progress, token) => OpenChat(model, progress, token));
                return ExitCode.Done;
            }
            if (text == "-") text = WithoutLastNewline(await StandardInput.ReadToEndAsync(cancellation));

            using var opened = engine.Open(path, parsed, cancellation, o => o with { Template = own });
            var isVerbose = parsed.GetValue(verbose);
            var style = isRaw ? new AnswerStyle(AnswerFormat.None, rendering) : StyleOf(opened, parsed.GetValue(format)!, rendering);
            var options = GrammarOptionsBinder.Constrain(sampling.Bind(parsed, opened.File.Metadata), form, opened);
            var messages = new List<ChatMessage>();
            if (parsed.GetValue(system) is { } instructions) messages.Add(new ChatMessage("system", instructions));
            if (text is null)
            {
                await new ChatLoop(opened, messages, options, style, isVerbose, interrupt).RunAsync(cancellation);
                return ExitCode.Done;
            }
            if (isVerbose)
            {
                await Console.Error.WriteLineAsync($"{Path.GetFileName(path)} on {opened.Backend}, context {opened.ContextLength} tokens");
                if (opened.Experts is { } experts) await Console.Error.WriteLineAsync($"experts {experts}");
                if (!isRaw) await Console.Error.WriteLineAsync($"answers {style.Format.Description}");
            }
            messages.Add(new ChatMessage("user", text));
            var tokens = isRaw
                ? opened.Tokenizer.Encode(text, addSpecial: true, parseSpecial: true)
                : opened.Template.EncodeChat(opened.Tokenizer, messages, rendering);
            await CompleteAsync(opened, tokens, options, style, parsed.GetValue(showReasoning), isVerbose, cancellation);
            return ExitCode.Done;

            LoadedModel OpenChat(string model, IProgress<LoadState> progress, CancellationToken ending)
            {
                // Branches share what they have in common; small models have room for what they have not.
                var small = Directory.Exists(model) ? 1 : new FileInfo(model) is { Exists: true, Length: < SmallModel } ? SmallSessions : 1;
                var loading = new LoadWeights(progress);
                var chat = engine.Open(model, parsed, loading, ending, o => o with { Template = own, Sessions = small });
                try
                {
                    var chatOptions = GrammarOptionsBinder.Constrain(sampling.Bind(parsed, chat.File.Metadata), form, chat);
                    return new LoadedModel(model, chat, chatOptions, StyleOf(chat, parsed.GetValue(format)!, rendering), ModelIdentity.Of(model));
                }
                catch
                {
                    chat.Dispose();
                    throw;
                }
            }

            // In a method of its own: nothing of the screen is loaded for the others.
            void FullScreen(ParseResult given, string first, ModelOpener open)
            {
                var setup = new ChatSetup(first, open) { System = given.GetValue(system), IsVerbose = given.GetValue(verbose) };
                ChatApp.Run(setup, Conversation, () => Theme.Choose(given.GetValue(theme), Environment.GetEnvironmentVariable), cancellation);

                ConversationFile Conversation(ConversationStore store)
                {
                    if (given.GetValue(named) is { } name) return store.Open(name);
                    if (!given.GetValue(goOn)) return store.Create(null);
                    var newest = store.Newest() ?? throw new UsageException("there is no conversation to go on with", "Leave --continue away.");
                    return ConversationFile.Open(newest.Path);
                }
            }
        });
    }

    private static AnswerStyle StyleOf(Engine engine, string name, TemplateOptions rendering) => new(
        name == AnswerFormat.None.Name ? AnswerFormat.None : AnswerFormat.Of(engine, name == Auto ? null : name), rendering);

    private static async Task CompleteAsync(
        Engine engine, int[] prompt, GenerationOptions options, AnswerStyle style, bool showReasoning, bool verbose, CancellationToken cancellation)
    {
        if (prompt.Length == 0) throw new UsageException("the prompt is empty", "Give a text that the model can continue.");
        using var session = engine.CreateSession();
        var progress = PromptProgressLine.ForTerminal();
        var all = style.Apply(options, engine.Tokenizer) with { PromptProgress = progress };
        await using var answer = Generation.Start(session, engine.Tokenizer, prompt, all, cancellation);
        var output = new AnswerWriter();
        await new AnswerPrinter(style.Reader(engine.Tokenizer, prompt, calls: 0), output, showReasoning ? new ReasoningWriter() : null).CopyAsync(answer.Output);
        var result = await answer.Completion;
        progress?.Clear();
        output.EndLine();
        if (verbose) await Console.Error.WriteLineAsync(Statistics.Line(result));
        if (result.Finish == FinishReason.ContextFull) Note($"the answer was cut: the context of {engine.ContextLength} tokens is full (-c asks for more)");
        cancellation.ThrowIfCancellationRequested();
    }

    private sealed class LoadWeights(IProgress<LoadState> to) : IProgress<LoadProgress>
    {
        // What is done when all weights are there has no bytes to count.
        public void Report(LoadProgress value) => to.Report(value.Bytes == value.Total && value.Doing is not null
            ? new LoadState(LoadStage.WarmUp, 0, 0, value.Doing)
            : new LoadState(LoadStage.Weights, value.Bytes, value.Total, value.Doing));
    }

    private static void Note(string text) => Console.Error.WriteLine("note:  " + text);

    // As $(…) in a shell: what echo and editors put at the end is not meant.
    private static string WithoutLastNewline(string text) =>
        text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
}
