namespace WarpDecode.Runtime;

/// <content>From texts to means, some texts at a time.</content>
public sealed partial class WarpDecodeEmbeddingGenerator
{
    private (float[][] Means, int Tokens) Compute(string[] texts, CancellationToken cancellation)
    {
        // All of them first: a text that cannot be taken is refused before anything is computed.
        var tokens = new int[texts.Length][];
        for (var i = 0; i < texts.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            tokens[i] = Encode(texts, i);
        }
        var means = new float[texts.Length][];
        var sessions = new List<Session>();
        try
        {
            for (var first = 0; first < tokens.Length;)
            {
                var count = CountTogether(tokens, first);
                while (sessions.Count < count) sessions.Add(Engine.CreateSession());
                var pieces = new Piece[count];
                for (var i = 0; i < count; i++)
                {
                    sessions[i].Rewind(0);
                    pieces[i] = new Piece(sessions[i], tokens[first + i]);
                }
                Engine.MeanHiddenStates(pieces, cancellation).CopyTo(means, first);
                first += count;
            }
        }
        finally
        {
            foreach (var session in sessions) session.Dispose();
        }
        return (means, tokens.Sum(t => t.Length));
    }

    private int[] Encode(string[] texts, int index)
    {
        string Which() => texts.Length == 1 ? "the text" : $"text {index + 1} of {texts.Length}";
        if (texts[index] is not { } text) throw new ArgumentException($"{Which()} is null", nameof(texts));
        var tokens = text.Length == 0 ? [] : Engine.Tokenizer.Encode(text, addSpecial: true, parseSpecial: false);
        if (tokens.Length == 0)
            throw new ArgumentException($"{Which()} is empty: an embedding is the mean over a text's tokens, and it has none", nameof(texts));
        if (tokens.Length > Engine.ContextLength)
        {
            throw new ContextFullException(
                $"{Which()} has {tokens.Length} tokens, the context has {Engine.ContextLength}: split the text, or open the model with a longer context");
        }
        return tokens;
    }

    /// <summary>How many texts from there on are computed together: as many as fill a step, and find room in the cache.</summary>
    private int CountTogether(int[][] tokens, int first)
    {
        var (count, sum, pages) = (0, 0L, 0);
        var (most, free) = (Engine.StepSessions, Engine.FreePages);
        while (first + count < tokens.Length && count < most)
        {
            var length = tokens[first + count].Length;
            sum += length;
            pages += (length + Engine.PageTokens - 1) / Engine.PageTokens;
            if (count > 0 && (sum > Engine.StepTokens || pages > free)) break;
            count++;
        }
        return count;
    }
}
