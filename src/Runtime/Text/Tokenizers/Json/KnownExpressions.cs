namespace WarpDecode.Runtime.Text.Tokenizers.Json;

/// <summary>Expressions of many tokenizer.json files that <see cref="WordScanner"/> scans instead.</summary>
internal static class KnownExpressions
{
    private const string Contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private const string SymbolsAndSpace = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Upper = @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", Lower = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}]";
    private const string CasedEnd = @"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public static IPieceSplitter? Find(string expression) => expression switch
    {
        @"\p{N}" => new NumberScanner(NumberGroups.FromLeft, 1),
        @"\p{N}{1,3}" => new NumberScanner(NumberGroups.FromLeft),
        Contraction + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + SymbolsAndSpace => new WordScanner(WordShape.Letters),
        Contraction + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + SymbolsAndSpace => new WordScanner(WordShape.Letters) { Numbers = 3 },
        Upper + "*" + Lower + "+" + Contraction + "?|" + Upper + "+" + Lower + "*" + Contraction + @"?|\p{N}{1,3}" + CasedEnd => new WordScanner(WordShape.Cased) { Numbers = 3, Slash = true },
        Upper + "*" + Lower + "+|" + Upper + "+" + Lower + @"*|\p{N}" + CasedEnd => new WordScanner(WordShape.Cased) { Contractions = false, Slash = true },
        _ => null,
    };
}
