using System.CommandLine;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run [MODEL]</c>: a chat in the terminal, or with -p one completion on stdout.</summary>
internal static class RunCommand
{
    public static void AddTo(RootCommand root, Interrupt interrupt)
    {
        var model = ModelArgument.Optional();
        var prompt = new Option<string?>("--prompt", "-p") { Description = "Answer this once, print only the answer, and exit; - reads the prompt from stdin.", HelpName = "TEXT" };
        var raw = new Option<bool>("--raw") { Description = "Continue the text as it is, without the model's chat template (with -p)." };
        var system = new Option<string?>("--system") { Description = "A system message before the conversation.", HelpName = "TEXT" };
        var verbose = new Option<bool>("--verbose", "-v") { Description = "Say on stderr what was loaded and how fast it ran." };
        var engine = new EngineOptionsBinder();
        var sampling = new SamplerOptionsBinder();
        root.Arguments.Add(model);
        foreach (var option in new Option[] { prompt, raw, system }) root.Options.Add(option);
        sampling.AddTo(root);
        engine.AddTo(root);
        root.Options.Add(verbose);
        root.SetAction((parsed, cancellation) => RunAsync(
            new Request(
                parsed.GetValue(model) ?? ModelArgument.Default(), parsed.GetValue(prompt), parsed.GetValue(raw), parsed.GetValue(system),
                parsed.GetValue(verbose), engine.Bind(parsed), sampling.Bind(parsed)),
            interrupt, cancellation));
    }

    private sealed record Request(
        string Model, string? Prompt, bool Raw, string? System, bool Verbose, EngineOptions Engine, GenerationOptions Generation);

    private static async Task<int> RunAsync(Request request, Interrupt interrupt, CancellationToken cancellation)
    {
        if (request.Raw && request.Prompt is null)
            throw new UsageException("--raw needs a prompt: a chat cannot do without the template", "Add -p TEXT, or leave --raw away.");
        if (request.Raw && request.System is not null)
            throw new UsageException("--system has no place in a raw completion", "Put the text into the prompt, or leave --raw away.");
        var text = request.Prompt == "-" ? await Console.In.ReadToEndAsync(cancellation) : request.Prompt;

        using var engine = Engine.Open(request.Model, request.Engine);
        foreach (var note in engine.Notes) await Console.Error.WriteLineAsync("note:  " + note);
        if (request.Verbose) await Console.Error.WriteLineAsync($"{Path.GetFileName(request.Model)} on {engine.Backend}, context {engine.ContextLength}");
        using var session = engine.CreateSession();
        if (text is null)
        {
            var chat = new ChatLoop(engine, session, request.Generation, request.System, request.Verbose, interrupt);
            return await chat.RunAsync(cancellation);
        }

        var messages = new List<ChatMessage>();
        if (request.System is not null) messages.Add(new ChatMessage("system", request.System));
        messages.Add(new ChatMessage("user", text));
        var tokens = request.Raw
            ? engine.Tokenizer.Encode(text, addSpecial: true, parseSpecial: true)
            : engine.Template.EncodeChat(engine.Tokenizer, messages, addGenerationPrompt: true);
        if (tokens.Length == 0) throw new UsageException("the prompt is empty", "Give a text that the model can continue.");

        await using var answer = Generation.Start(session, engine.Tokenizer, tokens, request.Generation, cancellation);
        using var output = new AnswerWriter();
        await output.CopyAsync(answer.Output);
        var result = await answer.Completion;
        output.EndLine();
        if (request.Verbose) await Console.Error.WriteLineAsync(Statistics.Line(result));
        if (result.Finish == FinishReason.ContextFull)
            await Console.Error.WriteLineAsync($"note:  the answer was cut: the context of {engine.ContextLength} tokens is full (-c asks for more)");
        return result.Finish == FinishReason.Cancelled ? ExitCode.Interrupted : ExitCode.Done;
    }
}
