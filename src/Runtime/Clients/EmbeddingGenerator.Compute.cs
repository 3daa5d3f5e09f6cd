namespace WarpDecode.Runtime;

/// <content>From texts to means, some texts at a time.</content>
public sealed partial class WarpDecodeEmbeddingGenerator
{
    private async Task<(float[][] Means, int Tokens)> ComputeAsync(string[] texts, CancellationToken cancellation)
    {
        // All of them first: a text that cannot be taken is refused before anything is computed.
        var tokens = new int[texts.Length][];
        for (var i = 0; i < texts.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            tokens[i] = Encode(texts, i);
        }
        var means = new float[texts.Length][];
        for (var first = 0; first < tokens.Length;) first += await ComputeSomeAsync(tokens, means, first, cancellation).ConfigureAwait(false);
        return (means, tokens.Sum(t => t.Length));
    }

    /// <summary>Computes texts that fill a step, or one that takes several. The sessions are given back after that: others wait for them.</summary>
    /// <returns>How many texts.</returns>
    private async Task<int> ComputeSomeAsync(int[][] tokens, float[][] means, int first, CancellationToken cancellation)
    {
        var pool = Engine.Pool;
        var rentals = new List<SessionPool.Rental> { await pool.RentAsync(default, cancellation).ConfigureAwait(false) };
        try
        {
            for (var wanted = CountTogether(tokens, first); rentals.Count < wanted && pool.TryRentMore() is { } more;) rentals.Add(more);
            try
            {
                Compute(rentals.Count);
                return rentals.Count;
            }
            catch (ContextFullException) when (rentals.Count > 1)
            {
                // Sessions of the application's own hold the cache: one text needs the least of it.
                Compute(1);
                return 1;
            }
        }
        finally
        {
            foreach (var rental in rentals) rental.Dispose();
        }

        void Compute(int count)
        {
            var pieces = new Piece[count];
            foreach (var rental in rentals) rental.Session.Rewind(0);
            for (var i = 0; i < count; i++) pieces[i] = new Piece(rentals[i].Session, tokens[first + i]);
            pool.MakeRoom(pieces.Sum(piece => (long)Pages(piece.Tokens.Length) * Runtime.Engine.PageTokens));
            Engine.MeanHiddenStates(pieces, cancellation).CopyTo(means, first);
        }
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

    /// <summary>How many texts from there on go well together: as many as fill a step.</summary>
    private int CountTogether(int[][] tokens, int first)
    {
        var (count, sum) = (0, 0L);
        while (first + count < tokens.Length && count < Engine.StepSessions)
        {
            sum += tokens[first + count].Length;
            if (count > 0 && sum > Engine.StepTokens) break;
            count++;
        }
        return count;
    }

    private static int Pages(int tokens) => (tokens + Runtime.Engine.PageTokens - 1) / Runtime.Engine.PageTokens;
}
