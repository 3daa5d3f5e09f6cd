using System.Collections;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using WarpDecode.Runtime.Sampling;

namespace WarpDecode.Runtime;

/// <summary>Reads the options of a request.</summary>
internal static class RequestOptions
{
    private const string Grammar = "grammar";
    private const string LogProbs = "logprobs";
    private const string TemplateArguments = "chat_template_kwargs";

    // Names as llama.cpp's server has them.
    private static readonly Dictionary<string, Func<SamplerOptions, Value, SamplerOptions>> Own = new(StringComparer.Ordinal)
    {
        ["min_p"] = (s, v) => s with { MinP = v.Number },
        ["typical_p"] = (s, v) => s with { Typical = v.Number },
        ["top_n_sigma"] = (s, v) => s with { TopNSigma = Math.Max(0, v.Number) },
        ["xtc_probability"] = (s, v) => s with { XtcProbability = v.Number },
        ["xtc_threshold"] = (s, v) => s with { XtcThreshold = v.Number },
        ["dynatemp_range"] = (s, v) => s with { DynamicTemperatureRange = v.Number },
        ["dynatemp_exponent"] = (s, v) => s with { DynamicTemperatureExponent = v.Number },
        ["mirostat"] = (s, v) => s with { Mirostat = v.Whole },
        ["mirostat_tau"] = (s, v) => s with { MirostatTau = v.Number },
        ["mirostat_eta"] = (s, v) => s with { MirostatEta = v.Number },
        ["repeat_penalty"] = (s, v) => s with { RepeatPenalty = v.Number },
        ["repeat_last_n"] = (s, v) => s with { RepeatLastN = v.LookBack },
        ["dry_multiplier"] = (s, v) => s with { DryMultiplier = v.Number },
        ["dry_base"] = (s, v) => s with { DryBase = v.Number },
        ["dry_allowed_length"] = (s, v) => s with { DryAllowedLength = v.Whole },
        ["dry_penalty_last_n"] = (s, v) => s with { DryLastN = v.LookBack },
        ["dry_sequence_breakers"] = (s, v) => s with { DrySequenceBreakers = v.Texts },
        ["ignore_eos"] = (s, v) => s with { IgnoreEndOfTurn = v.Flag },
        ["logit_bias"] = (s, v) => s with { LogitBias = v.Biases },
        ["banned_strings"] = (s, v) => s with { BannedStrings = v.Texts },
        ["samplers"] = (s, v) => s with { Order = SamplerStages.Parse(string.Join(';', v.Texts)) },
    };

    private static readonly AIJsonSchemaTransformOptions Closing = new() { DisallowAdditionalProperties = true };

    private static readonly string[] Others = [Grammar, LogProbs, TemplateArguments];

    /// <summary>How a request is to be generated.</summary>
    /// <param name="defaults">What it does not say.</param>
    /// <param name="options">The request's options.</param>
    /// <param name="logger">Told of options that are not known.</param>
    /// <exception cref="ArgumentException">An option has a value of another kind, or out of its range.</exception>
    public static GenerationOptions Generation(GenerationOptions defaults, ChatOptions options, ILogger logger)
    {
        var sampling = defaults.Sampling;
        if (options.Temperature is { } temperature) sampling = sampling with { Temperature = Exact(temperature) };
        if (options.TopP is { } topP) sampling = sampling with { TopP = Exact(topP) };
        if (options.TopK is { } topK) sampling = sampling with { TopK = topK };
        if (options.FrequencyPenalty is { } frequency) sampling = sampling with { FrequencyPenalty = Exact(frequency) };
        if (options.PresencePenalty is { } presence) sampling = sampling with { PresencePenalty = Exact(presence) };
        if (options.Seed is { } seed) sampling = sampling with { Seed = unchecked((ulong)seed) };
        var generation = defaults with
        {
            MaxTokens = options.MaxOutputTokens ?? defaults.MaxTokens,
            Stop = options.StopSequences is { Count: > 0 } stop ? [.. stop] : defaults.Stop,
        };
        foreach (var (name, given) in options.AdditionalProperties ?? [])
        {
            var value = new Value(name, given);
            if (Own.TryGetValue(name, out var set)) sampling = set(sampling, value);
            else if (name == LogProbs) generation = generation with { LogProbs = value.IsFlag ? (value.Flag ? 0 : null) : value.Whole };
            else if (!Others.Contains(name, StringComparer.Ordinal)) ClientLog.UnknownOption(logger, name, string.Join(", ", Own.Keys.Concat(Others)));
        }
        return generation with { Sampling = sampling };
    }

    /// <summary>The GBNF grammar that a request asks for, or null.</summary>
    public static string? GrammarText(ChatOptions options) =>
        options.AdditionalProperties?.TryGetValue(Grammar, out var given) == true ? new Value(Grammar, given).Text : null;

    /// <summary>Variables for the chat template.</summary>
    public static IReadOnlyDictionary<string, JsonElement> TemplateVariables(ChatOptions options)
    {
        var variables = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        if (options.Reasoning?.Effort is { } effort)
        {
            variables["enable_thinking"] = Element(effort != ReasoningEffort.None);
            if (effort != ReasoningEffort.None)
                variables["reasoning_effort"] = Element(effort switch { ReasoningEffort.Low => "low", ReasoningEffort.Medium => "medium", _ => "high" });
        }
        if (options.AdditionalProperties?.TryGetValue(TemplateArguments, out var given) == true)
        {
            foreach (var property in new Value(TemplateArguments, given).Object.EnumerateObject()) variables[property.Name] = property.Value.Clone();
        }
        return variables;
    }

    /// <summary>The schema of a tool's arguments: an object.</summary>
    public static string ArgumentsSchema(string? parameters)
    {
        if (parameters is null || JsonNode.Parse(parameters) is not JsonObject schema) return """{"type":"object"}""";
        if (schema["type"] is null) schema["type"] = "object";
        return Closed(JsonElement.Parse(schema.ToJsonString()));
    }

    /// <summary>
    /// A schema whose objects have no other properties than it names, where it does not say whether they may: a model that could go on with properties
    /// of its own would not always find an end. Texts that are valid by it are valid by the other.
    /// </summary>
    public static string Closed(JsonElement schema)
    {
        var text = schema.GetRawText();
        // What allOf puts together has its properties in several places, and none of them names all.
        return text.Contains("\"allOf\"", StringComparison.Ordinal) || schema.ValueKind != JsonValueKind.Object ? text : AIJsonUtilities.TransformSchema(schema, Closing).GetRawText();
    }

    /// <summary>A float like 0.7 as the double 0.7, as it is written, and not what the nearest float is.</summary>
    public static double Exact(float value) => float.IsFinite(value) ? double.Parse(value.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : value;

    private static JsonElement Element(bool value) => JsonElement.Parse(value ? "true" : "false");

    private static JsonElement Element(string word) => JsonElement.Parse($"\"{word}\"");

    /// <summary>A value that a program or a JSON text gave.</summary>
    private readonly struct Value(string name, object? given)
    {
        public double Number => given switch
        {
            JsonElement { ValueKind: JsonValueKind.Number } element => element.GetDouble(),
            JsonElement or string or bool or char or DateTime => throw Wrong("a number"),
            IConvertible number => number.ToDouble(CultureInfo.InvariantCulture),
            _ => throw Wrong("a number"),
        };

        public int Whole => Number is var number && double.IsInteger(number) && Math.Abs(number) <= int.MaxValue ? (int)number : throw Wrong("a whole number");

        public int LookBack => Whole is var tokens && tokens == -1 ? SamplerOptions.LongestLookBack : tokens;

        public bool IsFlag => given is bool or JsonElement { ValueKind: JsonValueKind.True or JsonValueKind.False };

        public bool Flag => given switch
        {
            bool flag => flag,
            JsonElement { ValueKind: JsonValueKind.True } => true,
            JsonElement { ValueKind: JsonValueKind.False } => false,
            _ => throw Wrong("true or false"),
        };

        public string Text => given switch
        {
            string text => text,
            JsonElement { ValueKind: JsonValueKind.String } element => element.GetString()!,
            _ => throw Wrong("a text"),
        };

        public IReadOnlyList<string> Texts => given switch
        {
            string text => [text],
            IEnumerable<string> texts => [.. texts],
            JsonElement { ValueKind: JsonValueKind.String } element => [element.GetString()!],
            JsonElement { ValueKind: JsonValueKind.Array } array when array.EnumerateArray().All(e => e.ValueKind == JsonValueKind.String) => [.. array.EnumerateArray().Select(e => e.GetString()!)],
            _ => throw Wrong("a list of texts"),
        };

        public JsonElement Object => given switch
        {
            JsonElement { ValueKind: JsonValueKind.Object } element => element,
            JsonObject node => JsonElement.Parse(node.ToJsonString()),
            IDictionary<string, object?> values => JsonSerializer.SerializeToElement(values, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IDictionary<string, object?>))),
            _ => throw Wrong("an object"),
        };

        /// <summary>By token id: a dictionary, or an object of JSON.</summary>
        public IReadOnlyDictionary<int, double> Biases
        {
            get
            {
                if (given is IReadOnlyDictionary<int, double> ready) return ready;
                var biases = new Dictionary<int, double>();
                if (given is IDictionary pairs)
                {
                    foreach (DictionaryEntry pair in pairs) Add(Convert.ToString(pair.Key, CultureInfo.InvariantCulture)!, pair.Value);
                }
                else
                {
                    foreach (var property in Object.EnumerateObject()) Add(property.Name, property.Value);
                }
                return biases;

                void Add(string id, object? bias) =>
                    biases[int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var token) ? token : throw new ArgumentException($"logit_bias: '{id}' is no token id")] =
                        new Value("logit_bias", bias).Number;
            }
        }

        private ArgumentException Wrong(string wanted) => new($"the option {name} of AdditionalProperties is {wanted}, found {given ?? "null"} ({given?.GetType().Name ?? "null"})");
    }
}
