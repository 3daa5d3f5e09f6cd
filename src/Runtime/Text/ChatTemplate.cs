using System.Globalization;
using System.Text.Json;
using WarpDecode.Formats;
using WarpDecode.Runtime.Text.Jinja;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// A model's chat template: a conversation as the one text that the model was trained to continue. Templates are Jinja, set up as
/// Hugging Face transformers sets it up: sandboxed, with trim_blocks, lstrip_blocks, break and continue, and generation blocks.
/// Immutable and safe to use from many threads.
/// </summary>
public sealed class ChatTemplate
{
    private const string Key = "tokenizer.chat_template";
    private const string ForTools = "tool_use";
    private const string RawAdvice = "Use --raw to give the model your text as it is, without a template, or --chat-template FILE to give it another one.";
    private readonly Template? main;
    private readonly Dictionary<string, Lazy<Template>> variants;
    private readonly string? bos;
    private readonly string? eos;

    private ChatTemplate(Template? main, Dictionary<string, Lazy<Template>> variants, string text, string? bos, string? eos) =>
        (this.main, this.variants, Text, this.bos, this.eos) = (main, variants, text, bos, eos);

    /// <summary>The template as it is written; of several the usual one.</summary>
    public string Text { get; }

    /// <summary>Names of templates beside the usual one; <c>tool_use</c> is taken when there are tools.</summary>
    public IReadOnlyCollection<string> Variants => variants.Keys;

    /// <summary>What kind of template it is, in a word, and which variants it has.</summary>
    internal string Description =>
        (Text.Contains("<|im_start|>", StringComparison.Ordinal) ? "ChatML" : "Jinja") + (variants.Count > 0 ? $", and for {string.Join(", ", variants.Keys)}" : "");

    /// <summary>Reads the templates of a model file (<c>tokenizer.chat_template</c>, and its variants by name).</summary>
    /// <exception cref="ModelFileException">The file has none, or one that is no template.</exception>
    public static ChatTemplate FromMetadata(ModelFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        var metadata = file.Metadata;
        var named = metadata.Keys.Where(k => k.StartsWith(Key + ".", StringComparison.Ordinal)).ToList();
        if (!metadata.Contains(Key) && named.Count == 0) throw new ModelFileException("the model has no chat template", file.Path, Key, advice: RawAdvice);
        var text = metadata.Contains(Key) ? metadata.GetString(Key) : "";
        var variants = new Dictionary<string, Lazy<Template>>(StringComparer.Ordinal);
        var all = text;
        foreach (var key in named)
        {
            var variant = metadata.GetString(key);
            all += variant;
            variants.Add(key[(Key.Length + 1)..], new Lazy<Template>(() => Template.Parse(variant, key)));
        }
        try
        {
            var main = metadata.Contains(Key) ? Template.Parse(text, "the model's chat template") : null;
            return new ChatTemplate(main, variants, text, TokenText(file, "bos", all), TokenText(file, "eos", all));
        }
        catch (TemplateException e)
        {
            throw new ModelFileException("chat template cannot be read:", file.Path, Key, null, "a Jinja template", $"{e.Reason} (line {e.Line}, column {e.Column})", RawAdvice, e);
        }
    }

    /// <summary>Reads a template.</summary>
    /// <param name="text">The template.</param>
    /// <param name="source">Where it is from, for messages.</param>
    /// <exception cref="TemplateException">It is not a template.</exception>
    public static ChatTemplate Parse(string text, string source)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new ChatTemplate(Template.Parse(text, source), [], text, null, null);
    }

    /// <summary>The same template, with a model's tokens that begin and end a text.</summary>
    internal ChatTemplate For(ModelFile file) => new(main, variants, Text, bos ?? TokenText(file, "bos", Text), eos ?? TokenText(file, "eos", Text));

    /// <summary>The text of a conversation.</summary>
    /// <param name="messages">Messages in order.</param>
    /// <param name="addGenerationPrompt">Opens the assistant's next message.</param>
    /// <exception cref="TemplateException">The template refuses the conversation, or fails.</exception>
    public string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt) => Render(messages, new TemplateOptions { AddGenerationPrompt = addGenerationPrompt });

    /// <summary>The text of a conversation.</summary>
    /// <param name="messages">Messages in order.</param>
    /// <param name="options">Tools and other variables.</param>
    /// <exception cref="TemplateException">The template refuses the conversation, or fails.</exception>
    public string Render(IReadOnlyList<ChatMessage> messages, TemplateOptions options) => Write(messages, options).ToString();

    /// <summary>The text of a conversation in JSON: an object with <c>messages</c> and any other variable that templates know.</summary>
    /// <param name="variables">
    /// The variables as the template gets them; <c>now</c> (an ISO time) sets the clock; <c>bos_token</c> and <c>eos_token</c> are the model's where they are not given.
    /// </param>
    /// <exception cref="TemplateException">The template refuses the conversation, or fails.</exception>
    /// <exception cref="FormatException">The variables are not such an object.</exception>
    public string Render(JsonElement variables) => Write(variables).ToString();

    /// <summary>
    /// Ids of a conversation: those of the rendered text, with control tokens recognised in the template's own text only.
    /// A message that spells one out is encoded as the ordinary text it is, and cannot end its turn or begin another's.
    /// </summary>
    /// <remarks>Adds no BOS or EOS: a template says all there is.</remarks>
    /// <param name="tokenizer">Tokenizer of the same model.</param>
    /// <param name="messages">Messages in order.</param>
    /// <param name="addGenerationPrompt">Opens the assistant's next message.</param>
    /// <exception cref="TemplateException">The template refuses the conversation, or fails.</exception>
    public int[] EncodeChat(Tokenizer tokenizer, IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt) =>
        EncodeChat(tokenizer, messages, new TemplateOptions { AddGenerationPrompt = addGenerationPrompt });

    /// <inheritdoc cref="EncodeChat(Tokenizer, IReadOnlyList{ChatMessage}, bool)"/>
    /// <param name="tokenizer">Tokenizer of the same model.</param>
    /// <param name="messages">Messages in order.</param>
    /// <param name="options">Tools and other variables.</param>
    public int[] EncodeChat(Tokenizer tokenizer, IReadOnlyList<ChatMessage> messages, TemplateOptions options)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return tokenizer.Encode([.. Write(messages, options).ToParts()], addSpecial: false);
    }

    /// <summary>Ids of a conversation in JSON, as <see cref="Render(JsonElement)"/> takes it, encoded as conversations are.</summary>
    /// <inheritdoc cref="Render(JsonElement)"/>
    /// <param name="tokenizer">Tokenizer of the same model.</param>
    /// <param name="variables">The variables as the template gets them.</param>
    public int[] EncodeChat(Tokenizer tokenizer, JsonElement variables)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return tokenizer.Encode([.. Write(variables).ToParts()], addSpecial: false);
    }

    /// <summary>The text in parts, the template's own ones trusted, what messages and other variables hold not.</summary>
    internal List<TextPart> RenderParts(IReadOnlyList<ChatMessage> messages, TemplateOptions options) => Write(messages, options).ToParts();

    private TextBuilder Write(IReadOnlyList<ChatMessage> messages, TemplateOptions options)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ArgumentNullException.ThrowIfNull(options);
        var clock = options.Clock ?? TimeProvider.System;
        return Choose(options.Tools.Count > 0).Render(Fill, clock.GetLocalNow);

        void Fill(Scope scope, Budget budget)
        {
            // Tools and documents are there always, as transformers passes them.
            scope.Set("messages", new PyList([.. messages.Select(m => (object?)TemplateInput.Of(m, budget))]));
            scope.Set("tools", options.Tools.Count == 0 ? null : new PyList([.. options.Tools.Select(t => (object?)TemplateInput.Of(t, budget))]));
            scope.Set("documents", null);
            scope.Set("add_generation_prompt", Py.Bool(options.AddGenerationPrompt));
            foreach (var (name, value) in options.Variables) scope.Set(string.Intern(name), Json.Read(value, budget));
            SetToken(scope, "bos_token", options.BosToken ?? bos);
            SetToken(scope, "eos_token", options.EosToken ?? eos);
        }
    }

    private TextBuilder Write(JsonElement variables)
    {
        if (variables.ValueKind != JsonValueKind.Object) throw new FormatException("a JSON object was expected, with messages in it");
        if (!variables.TryGetProperty("messages", out var messages) || messages.ValueKind != JsonValueKind.Array) throw new FormatException("\"messages\" is not there, or is no list");
        Func<DateTimeOffset> clock = TimeProvider.System.GetLocalNow;
        if (variables.TryGetProperty("now", out var now))
        {
            if (now.ValueKind != JsonValueKind.String || !DateTimeOffset.TryParse(now.GetString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
                throw new FormatException("\"now\" is not a time like 2026-11-22T12:00:00");
            clock = () => time;
        }
        var hasTools = variables.TryGetProperty("tools", out var tools) && tools.ValueKind != JsonValueKind.Null;
        return Choose(hasTools).Render(Fill, clock);

        void Fill(Scope scope, Budget budget)
        {
            SetToken(scope, "bos_token", bos);
            SetToken(scope, "eos_token", eos);
            foreach (var variable in variables.EnumerateObject())
            {
                if (variable.Name == "now") continue;
                if (variable.Name is "bos_token" or "eos_token" && variable.Value.ValueKind == JsonValueKind.String) SetToken(scope, string.Intern(variable.Name), variable.Value.GetString());
                else scope.Set(string.Intern(variable.Name), Json.Read(variable.Value, budget));
            }
        }
    }

    private static void SetToken(Scope scope, string name, string? text)
    {
        if (text is not null) scope.Set(name, Str.Of(text));
    }

    private Template Choose(bool hasTools)
    {
        if (hasTools && variants.TryGetValue(ForTools, out var variant)) return variant.Value;
        return main ?? throw new TemplateException("NoTemplate", $"the model has no usual chat template, only one for {string.Join(", ", variants.Keys)}", Key, 1, 1);
    }

    // The text of a token, if the templates ask for it.
    private static string? TokenText(ModelFile file, string which, string templates)
    {
        const string tokens = "tokenizer.ggml.tokens";
        var key = $"tokenizer.ggml.{which}_token_id";
        if (!templates.Contains(which + "_token", StringComparison.Ordinal) || !file.Metadata.Contains(key) || !file.Metadata.Contains(tokens)) return null;
        var id = file.Metadata.GetInteger(key);
        return id >= 0 && id < file.Metadata.Describe(tokens).Count ? file.Metadata.GetString(tokens, (int)id) : null;
    }
}
