using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>Texts and what may follow them as token ids.</summary>
/// <remarks>
/// A continuation's tokens are those by which encoding text and continuation as one is longer than the text alone, and white space at the
/// end of a text belongs to what follows, as EleutherAI's lm-evaluation-harness has it: a byte-level tokenizer puts a space into the token
/// of the word that follows. Texts may spell control tokens, for a template written out. What the messages of a conversation and its
/// continuations say is text, and the conversation's own end, a line end mostly, is not theirs.
/// </remarks>
internal static class Continuations
{
    /// <summary>The tokens of a text that goes on: at least one, or none if the text has none and the model has no token that a text begins after.</summary>
    public static int[] Begin(Tokenizer tokenizer, string text)
    {
        // Never an EOS: the text goes on.
        var ids = tokenizer.Encode(text, addSpecial: false, parseSpecial: true);
        if (tokenizer.AddBos) return [tokenizer.Bos!.Value, .. ids];
        if (ids.Length > 0) return ids;
        // Without any token there is nothing to continue, so then a token that a text begins after.
        return (tokenizer.Bos ?? tokenizer.Eos) is { } beginning ? [beginning] : [];
    }

    /// <summary>Tokens of a text to be continued, and of each continuation; no token where a continuation adds none.</summary>
    public static (int[] Context, int[][] After) Of(Tokenizer tokenizer, string text, IReadOnlyList<string> continuations)
    {
        var trimmed = text.TrimEnd();
        var after = After(
            tokenizer.Encode(trimmed, addSpecial: false, parseSpecial: true).Length, continuations,
            continuation => tokenizer.Encode(text + continuation, addSpecial: false, parseSpecial: true));
        return (Begin(tokenizer, trimmed), after);
    }

    /// <summary>Tokens of a conversation to be continued, and of each continuation.</summary>
    /// <inheritdoc cref="Of(Tokenizer, string, IReadOnlyList{string})"/>
    public static (int[] Context, int[][] After) Of(Tokenizer tokenizer, IReadOnlyList<TextPart> conversation, IReadOnlyList<string> continuations)
    {
        var context = tokenizer.Encode([.. conversation], addSpecial: false);
        return (context, After(
            context.Length, continuations, continuation => tokenizer.Encode([.. conversation, new TextPart(continuation, Trusted: false)], addSpecial: false)));
    }

    private static int[][] After(int context, IReadOnlyList<string> continuations, Func<string, int[]> whole)
    {
        var after = new int[continuations.Count][];
        for (var i = 0; i < after.Length; i++)
        {
            var ids = whole(continuations[i]);
            after[i] = ids.Length <= context ? [] : ids[context..];
        }
        return after;
    }
}
