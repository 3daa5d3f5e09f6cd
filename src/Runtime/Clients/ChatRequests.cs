using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using WarpDecode.Runtime.Grammars;
using WarpDecode.Runtime.Sampling;
using WarpDecode.Runtime.Text;
using AIChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace WarpDecode.Runtime;

/// <summary>Reads requests of <see cref="IChatClient"/> for a model.</summary>
internal sealed class ChatRequests
{
    private const int MostGrammars = 32;
    private const string ResponseName = "response format";

    private readonly Engine engine;
    private readonly Tokenizer tokenizer;
    private readonly AnswerFormat format;
    private readonly GenerationOptions defaults;
    private readonly ILogger logger;
    private readonly Lazy<IReadOnlySet<int>> markers;
    private readonly Lazy<IReadOnlySet<int>> markersOfCalls;
    private readonly Dictionary<string, Grammar> grammars = new(StringComparer.Ordinal);

    public ChatRequests(Engine engine, ChatClientSettings settings, ILogger logger)
    {
        (this.engine, this.logger, tokenizer) = (engine, logger, engine.Tokenizer);
        _ = engine.Template; // fails here if the model cannot be chatted with
        format = AnswerFormat.Of(engine, settings.AnswerFormat);
        defaults = settings.Generation ?? new GenerationOptions { Sampling = SamplerOptions.Suggested(engine.File.Metadata) };
        defaults.Validate();
        markers = new Lazy<IReadOnlySet<int>>(() => format.MarkerTokens(tokenizer, calls: false));
        markersOfCalls = new Lazy<IReadOnlySet<int>>(() => format.MarkerTokens(tokenizer, calls: true));
    }

    /// <summary>Reads a request.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="options">How it is to go on.</param>
    /// <param name="client">Who was asked.</param>
    public ChatAnswer Read(IEnumerable<AIChatMessage> messages, ChatOptions? options, IChatClient client)
    {
        options ??= new ChatOptions();
        if (options.ConversationId is not null)
            throw new NotSupportedException("ConversationId: this client keeps no conversations; give all messages with each request (what was read before is not read again)");
        if (options.ContinuationToken is not null) throw new NotSupportedException("ContinuationToken: this client has no background responses");
        var conversation = MessageReader.Read(messages, options.Instructions);
        var tools = Tools(options);
        var rendering = new TemplateOptions { AddGenerationPrompt = true, Tools = tools, Variables = RequestOptions.TemplateVariables(options) };
        var prompt = engine.Template.EncodeChat(tokenizer, conversation, rendering);
        var end = AnswerReader.EndOf(prompt, tokenizer);
        var calls = conversation.Sum(m => m.ToolCalls.Count);

        var generation = RequestOptions.Generation(options.RawRepresentationFactory?.Invoke(client) as GenerationOptions ?? defaults, options, logger);
        generation = generation with
        {
            MarkerTokens = (tools.Count > 0 ? markersOfCalls : markers).Value,
            // Known before the answer, for one that ends with its first call.
            Sampling = generation.Sampling with { Seed = generation.Sampling.Seed ?? (uint)Random.Shared.NextInt64(1L << 32) },
        };
        if (GrammarOf(options, tools, calls) is { } grammar)
        {
            if (generation.Constraint is not null) throw new NotSupportedException("a constraint of the client's own together with a grammar, a response format or a required tool: give one of them");
            generation = generation with { Constraint = Constrain(grammar, end) };
        }
        generation.Validate();
        var oneCall = options.AllowMultipleToolCalls == false && tools.Count > 0;
        var showsReasoning = options.Reasoning?.Output is not ReasoningOutput.None;
        return new ChatAnswer(prompt, generation, AnswerReader.Create(format, end, tools, calls), oneCall, showsReasoning);
    }

    private List<ToolDefinition> Tools(ChatOptions options)
    {
        if (options.Tools is not { Count: > 0 } asked || options.ToolMode is NoneChatToolMode) return [];
        if (format.Calls is null && !format.IsHarmony)
        {
            throw new NotSupportedException(
                $"tools: the chat template of {engine.File.Path} knows none, so the model would never hear of them; open the model with a template that does "
                + $"(EngineOptions.Template), or name the format of its calls (ChatClientSettings.AnswerFormat: {string.Join(", ", AnswerFormat.Names)})");
        }
        var tools = new List<ToolDefinition>();
        foreach (var tool in asked)
        {
            if (tool is not AIFunctionDeclaration function)
                throw new NotSupportedException($"the tool '{tool.Name}' is a {tool.GetType().Name}: a local model can call functions only");
            tools.Add(new ToolDefinition(function.Name, function.Description, function.JsonSchema.ValueKind == JsonValueKind.Object ? function.JsonSchema.GetRawText() : null));
        }
        return tools;
    }

    /// <summary>The grammar of the answer, if it must have a form: JSON, a call, or one of both.</summary>
    private Grammar? GrammarOf(ChatOptions options, List<ToolDefinition> tools, int calls)
    {
        var forms = new List<AnswerForm>();
        var required = options.ToolMode as RequiredChatToolMode;
        if (required is not null)
        {
            if (tools.Count == 0) throw new ArgumentException("a call of a tool is required, but there are no tools", nameof(options));
            var callable = required.RequiredFunctionName is { } name ? tools.Where(t => t.Name == name).ToList() : tools;
            if (callable.Count == 0) throw new ArgumentException($"a call of '{required.RequiredFunctionName}' is required, but there is no such tool", nameof(options));
            foreach (var tool in callable) forms.Add(CallForm(tool, calls, "a required call"));
        }
        else if (options.ResponseFormat is ChatResponseFormatJson json)
        {
            var schema = json.Schema is { } given ? RequestOptions.Closed(given) : """{"type":"object"}""";
            forms.Add(new AnswerForm(ResponseName, "", schema, ""));
            foreach (var tool in tools) forms.Add(CallForm(tool, calls, "tools beside a JSON response format"));
        }
        var gbnf = RequestOptions.GrammarText(options);
        if (forms.Count == 0) return gbnf is null ? null : Compiled("gbnf:" + gbnf, () => Grammar.Parse(gbnf));
        if (gbnf is not null) throw new NotSupportedException("a grammar together with a response format or a required tool: give one of them");
        var key = new JsonArray([.. forms.Select(f => new JsonArray(f.Name, f.Before, f.Schema, f.After))]).ToJsonString();
        return Compiled(key, () => AnswerGrammar.Of(forms, format.Calls?.Markers ?? [], tokenizer));
    }

    // An application asks for the same forms again and again, and what is found out about them is worth keeping.
    private Grammar Compiled(string key, Func<Grammar> compile)
    {
        lock (grammars)
        {
            if (grammars.TryGetValue(key, out var known)) return known;
            if (grammars.Count == MostGrammars) grammars.Clear();
            var grammar = compile();
            grammars.Add(key, grammar);
            return grammar;
        }
    }

    private AnswerForm CallForm(ToolDefinition tool, int number, string what)
    {
        var (before, after) = format.Calls?.Around(tool.Name, number)
            ?? throw new NotSupportedException($"{what}: this model writes calls in the format '{format.Name}', whose arguments are not one JSON object, and cannot be held to it; leave ToolMode at Auto");
        return new AnswerForm(tool.Name, before, RequestOptions.ArgumentsSchema(tool.Parameters), after);
    }

    /// <summary>Holds the answer to a grammar from where the model has done thinking.</summary>
    private Func<ITokenConstraint> Constrain(Grammar grammar, string promptEnd)
    {
        if (format.IsHarmony) throw new NotSupportedException("a response format or a required tool: answers in harmony's channels cannot be held to one yet");
        var vocabulary = engine.Vocabulary;
        var prompt = promptEnd.TrimEnd();
        var open = format.Reasoning.FirstOrDefault(t => prompt.EndsWith(t.Open, StringComparison.Ordinal));
        var isClosed = format.Reasoning.Any(t => prompt.EndsWith(t.Close, StringComparison.Ordinal));
        var tag = open ?? (isClosed ? null : format.Reasoning.Count > 0 ? format.Reasoning[0] : null);
        return () =>
        {
            var inner = new GrammarConstraint(grammar, tokenizer, vocabulary);
            return tag is null ? inner : new AfterReasoning(inner, tokenizer, vocabulary, tag, isOpen: open is not null);
        };
    }
}
