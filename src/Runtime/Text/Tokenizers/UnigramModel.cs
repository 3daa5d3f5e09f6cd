namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>
/// Unigram: of all ways to spell a word in tokens the one with the highest sum of scores (log probabilities), found by Viterbi's
/// algorithm. A character that no token has costs ten more than the worst token.
/// </summary>
internal sealed class UnigramModel
{
    private readonly TokenTrie trie;
    private readonly double[] scores;
    private readonly double unknownScore;
    private readonly int unknown;
    private readonly int[]? byteIds;

    /// <param name="texts">Tokens.</param>
    /// <param name="scores">Their scores.</param>
    /// <param name="matches">Which of them text can become.</param>
    /// <param name="rates">Which of them set the score of an unknown character.</param>
    /// <param name="unknown">The token for such characters, or -1: they are left out then.</param>
    /// <param name="byteIds">The tokens of bytes, if these spell such characters.</param>
    public UnigramModel(string[] texts, double[] scores, Func<int, bool> matches, Func<int, bool> rates, int unknown, int[]? byteIds)
    {
        this.scores = scores;
        this.unknown = unknown;
        this.byteIds = byteIds;
        trie = new TokenTrie(texts, matches);
        var least = double.PositiveInfinity;
        for (var id = 0; id < texts.Length; id++)
        {
            if (rates(id)) least = Math.Min(least, scores[id]);
        }
        unknownScore = (double.IsFinite(least) ? least : 0) - 10;
    }

    public void Encode(ReadOnlySpan<char> word, bool fuseUnknown, List<int> to)
    {
        const int small = 128;
        var best = word.Length < small ? stackalloc double[small] : new double[word.Length + 1];
        var from = word.Length < small ? stackalloc int[small] : new int[word.Length + 1];
        var id = word.Length < small ? stackalloc int[small] : new int[word.Length + 1];
        best = best[..(word.Length + 1)];
        best.Fill(double.NegativeInfinity);
        best[0] = 0;
        for (var at = 0; at < word.Length;)
        {
            var length = SpaceMark.CharacterLength(word, at);
            var single = false;
            var node = TokenTrie.Root;
            for (var end = at; end < word.Length && (node = trie.Step(node, word[end])) >= 0; end++)
            {
                var token = trie.ValueOf(node);
                if (token < 0) continue;
                single |= end + 1 - at == length;
                Offer(best, from, id, at, end + 1, token, scores[token]);
            }
            if (!single) Offer(best, from, id, at, at + length, -1, unknownScore);
            at += length;
        }
        // Backwards from the end, and then turned round.
        var count = 0;
        for (var at = word.Length; at > 0; at = from[at]) count++;
        var ends = count < small ? stackalloc int[small] : new int[count];
        for (var (at, i) = (word.Length, count); at > 0; at = from[at]) ends[--i] = at;
        var wasUnknown = false;
        for (var i = 0; i < count; i++)
        {
            var token = id[ends[i]];
            if (token >= 0) to.Add(token);
            else if (byteIds is not null) SpaceMark.AppendBytes(word[from[ends[i]]..ends[i]], byteIds, unknown, to);
            else if (unknown >= 0 && !(wasUnknown && fuseUnknown)) to.Add(unknown);
            wasUnknown = token < 0;
        }
    }

    private static void Offer(Span<double> best, Span<int> from, Span<int> id, int start, int end, int token, double score)
    {
        var sum = best[start] + score;
        if (!(sum > best[end])) return;
        best[end] = sum;
        from[end] = start;
        id[end] = token;
    }
}
