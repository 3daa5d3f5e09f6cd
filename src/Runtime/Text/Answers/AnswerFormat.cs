using System.Text;
using WarpDecode.Formats;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// How a model writes its answers: which texts hold reasoning, and how it writes calls of tools. Found in the text of its chat
/// template and in its vocabulary; where these name nothing that is known, an answer is content and nothing else. Immutable and safe to use from
/// many threads.
/// </summary>
public sealed class AnswerFormat
{
    private const string Key = "tokenizer.chat_template";
    private static readonly string[] HarmonyMarkers =
        ["<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>", "<|call|>", "<|return|>"];

    // The first whose signs a template has is taken: texts that only one family writes come before those that several do.
    private static readonly Family[] Families =
    [
        new("harmony", null, (t, _) => t("<|channel|>") && t("<|message|>")),
        new("kimi", new KimiCalls(), (t, _) => t("<|tool_calls_section_begin|>")),
        new("deepseek", new DeepSeekCalls(), (t, _) => t("<｜tool▁calls▁begin｜>") || t("<｜tool▁call▁begin｜>")),
        new("minimax", new InvokeCalls("<minimax:tool_call>", "</minimax:tool_call>"), (t, _) => t("<minimax:tool_call>")),
        new("gemma", new GemmaCalls(), (t, _) => t("<|tool_call>")),
        new("mistral", new MistralCalls(), (t, _) => t("[TOOL_CALLS]")),
        new("command", new JsonCalls("<|START_ACTION|>", "<|END_ACTION|>"), (t, _) => t("<|START_ACTION|>"))
        {
            Dropped = ["<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"],
        },
        new("seed", new FunctionTagCalls("<seed:tool_call>", "</seed:tool_call>"), (t, _) => t("<seed:tool_call>")),
        new("glm", new GlmCalls(), (t, _) => t("<arg_key>") && t("<tool_call>")),
        new("qwen-coder", new FunctionTagCalls("<tool_call>", "</tool_call>"), (t, _) => t("<function=") && t("<parameter=")),
        new("nemotron", new JsonCalls("<TOOLCALL>", "</TOOLCALL>"), (t, _) => t("<TOOLCALL>")),
        new("hunyuan", new JsonCalls("<tool_calls>", "</tool_calls>"), (t, _) => t("<tool_calls>")) { Dropped = ["<answer>", "</answer>"] },
        new("hermes", new JsonCalls("<tool_call>", "</tool_call>"), (t, _) => t("<tool_call>")),
        new("granite", new JsonCalls("<|tool_call|>", "<|/tool_call|>", mayStayOpen: true),
            (t, has) => t("<|tool_call|>") || (t("<|tool|>") && has("<|tool_call|>"))),
        new("llama", new LlamaCalls(), (t, _) => t("<|python_tag|>") || ((t("<|start_header_id|>") || t("<|header_start|>")) && t("\"parameters\": "))),
    ];

    private readonly IReadOnlyList<string> callMarkers;
    private readonly IReadOnlyList<string> otherMarkers;

    private AnswerFormat(string name, CallSyntax? calls, IReadOnlyList<ReasoningTag> reasoning, IReadOnlyList<string> dropped)
    {
        Name = name;
        Calls = calls;
        Reasoning = reasoning;
        Dropped = dropped;
        callMarkers = calls?.Markers ?? [];
        otherMarkers = IsHarmony ? HarmonyMarkers : [.. reasoning.SelectMany(t => new[] { t.Open, t.Close }), .. dropped];
    }

    /// <summary>The format of an answer that is content and nothing else.</summary>
    public static AnswerFormat None { get; } = new("none", null, [], []);

    /// <summary>Names of formats of calls, for <see cref="Of"/> and <see cref="FromMetadata"/>.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Families.Select(f => f.Name)];

    /// <summary>Name of the format of calls; <c>text</c> where there are none, <c>none</c> where there is no reasoning either.</summary>
    public string Name { get; }

    /// <summary>The format in words: <c>hermes tool calls, &lt;think&gt; reasoning</c>.</summary>
    internal string Description =>
        this == None ? "content only"
        : IsHarmony ? "harmony channels"
        : (Calls is null ? "no tool calls" : $"{Name} tool calls") + ", "
            + (Reasoning.Count == 0 ? "no reasoning" : string.Join(" and ", Reasoning.Select(t => t.Open)) + " reasoning");

    internal bool IsHarmony => Name == "harmony";

    internal CallSyntax? Calls { get; }

    internal IReadOnlyList<ReasoningTag> Reasoning { get; }

    /// <summary>Markers that mean nothing here and are no content.</summary>
    internal IReadOnlyList<string> Dropped { get; }

    /// <summary>Finds the format of a model file in its chat template and vocabulary.</summary>
    /// <param name="file">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="name">A name of <see cref="Names"/> that is taken whatever the template says of calls; null finds it.</param>
    /// <exception cref="ArgumentException">There is no format of that name.</exception>
    public static AnswerFormat FromMetadata(ModelFile file, Tokenizer tokenizer, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(tokenizer);
        var template = new StringBuilder();
        foreach (var key in new[] { Key, Key + ".tool_use" })
        {
            if (file.Metadata.Contains(key)) template.Append(file.Metadata.GetString(key)).Append('\n');
        }
        return Detect(template.ToString(), IsToken(tokenizer), name);
    }

    private static Func<string, bool> IsToken(Tokenizer tokenizer) => text => tokenizer.Encode(text, addSpecial: false, parseSpecial: true).Length == 1;

    /// <summary>Finds the format of an open model: that of its own templates, or of the one it was opened with.</summary>
    /// <param name="engine">The model.</param>
    /// <param name="name">A name of <see cref="Names"/> that is taken whatever the template says of calls; null finds it.</param>
    /// <exception cref="ArgumentException">There is no format of that name.</exception>
    /// <exception cref="ModelFileException">The file has no tokenizer that is supported.</exception>
    /// <exception cref="ObjectDisposedException">The engine was disposed.</exception>
    public static AnswerFormat Of(Engine engine, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(engine);
        return engine.GivenTemplate is { } given ? Detect(given.Text, IsToken(engine.Tokenizer), name) : engine.ReadFile(() => FromMetadata(engine.File, engine.Tokenizer, name));
    }

    /// <summary>Finds the format that a chat template declares.</summary>
    /// <param name="template">The template's own text, not rendered.</param>
    /// <param name="hasToken">Whether the vocabulary has a token of that text.</param>
    /// <param name="name">A name of <see cref="Names"/> that is taken whatever the template says of calls; null finds it.</param>
    /// <exception cref="ArgumentException">There is no format of that name.</exception>
    internal static AnswerFormat Detect(string template, Func<string, bool> hasToken, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(hasToken);
        var family = name is null
            ? Array.Find(Families, f => f.IsDeclared(sign => template.Contains(sign, StringComparison.Ordinal), hasToken))
            : Array.Find(Families, f => f.Name == name) ?? throw new ArgumentException($"there is no answer format '{name}': {string.Join(", ", Names)}", nameof(name));
        var reasoning = family?.Name == "harmony" ? [] : ReasoningTag.In(template);
        if (family is not null) return new AnswerFormat(family.Name, family.Calls, reasoning, family.Dropped);
        return reasoning.Count == 0 ? None : new AnswerFormat("text", null, reasoning, []);
    }

    /// <summary>
    /// The control tokens that hold the format's markers: <see cref="AnswerReader"/> must see their text, which is otherwise left out.
    /// </summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="calls">Whether there are tools to call; without them the markers of calls stay left out.</param>
    public IReadOnlySet<int> MarkerTokens(Tokenizer tokenizer, bool calls = true)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var found = new HashSet<int>();
        string[] markers = calls ? [.. callMarkers, .. otherMarkers] : [.. otherMarkers];
        if (markers.Length == 0) return found;
        for (var id = 0; id < tokenizer.Count; id++)
        {
            if (!tokenizer.IsControl(id) || tokenizer.EndOfTurn.Contains(id)) continue;
            var text = Encoding.UTF8.GetString(tokenizer.Bytes(id));
            if (text.Length >= 3 && markers.Any(m => m.Contains(text, StringComparison.Ordinal))) found.Add(id);
        }
        return found;
    }

    private sealed record Family(string Name, CallSyntax? Calls, Func<Func<string, bool>, Func<string, bool>, bool> IsDeclared)
    {
        public IReadOnlyList<string> Dropped { get; init; } = [];
    }
}
