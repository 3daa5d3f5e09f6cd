using System.Buffers;
using System.Text.RegularExpressions;

namespace WarpDecode.Runtime.Text;

/// <summary>A pair of texts between which a model thinks.</summary>
/// <param name="Open">The text before.</param>
/// <param name="Close">The text after.</param>
internal sealed partial record ReasoningTag(string Open, string Close)
{
    // Spellings that are no XML.
    private static readonly ReasoningTag[] Others =
    [
        new("[THINK]", "[/THINK]"),
        new("<|START_THINKING|>", "<|END_THINKING|>"),
        new("<|channel>thought", "<channel|>"),
        new("◁think▷", "◁/think▷"),
        new("<|begin_of_thought|>", "<|end_of_thought|>"),
        new("<|thinking|>", "<|/thinking|>"),
        new("<|inner_prefix|>", "<|inner_suffix|>"),
    ];

    private static readonly SearchValues<string> Words = SearchValues.Create(["think", "thought", "reasoning"], StringComparison.Ordinal);

    /// <summary>The pairs that a template's text names, by either end.</summary>
    public static List<ReasoningTag> In(string template)
    {
        var found = new List<ReasoningTag>();
        if (template.AsSpan().IndexOfAny(Words) >= 0) // most have none, and need not wait for an expression to be compiled
        {
            found.AddRange(Xml().Matches(template).Select(m => m.Groups["name"].Value).Distinct(StringComparer.Ordinal)
                .Select(name => new ReasoningTag($"<{name}>", $"</{name}>")));
        }
        found.AddRange(Others.Where(t => template.Contains(t.Open, StringComparison.Ordinal) || template.Contains(t.Close, StringComparison.Ordinal)));
        return found;
    }

    // <think>, <thinking>, <seed:think>, …; a closing tag alone names the pair, too: templates cut old reasoning off at it.
    [GeneratedRegex("</?(?<name>([a-z]{1,20}:)?(think|thinking|thought|thoughts|reasoning))>", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Xml();
}
