using System.Runtime.CompilerServices;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Grammars;

/// <summary>
/// A vocabulary as a tree of bytes, so that what tokens begin with in common is looked at once. The nodes lie in the order of a walk through
/// it, each with the place where the walk goes on without what is below it. Made once for a tokenizer.
/// </summary>
internal sealed class TokenIndex
{
    private static readonly ConditionalWeakTable<Tokenizer, TokenIndex> Known = [];

    private readonly byte[][] bytes;
    private readonly int[] same; // of each token, the next one with the same bytes, or −1

    /// <param name="bytes">Of each token; empty for those that are no text.</param>
    /// <param name="ends">Tokens that end a turn.</param>
    /// <param name="name">The id of the token with that text, if there is just one.</param>
    /// <param name="vocabulary">Number of logits.</param>
    public TokenIndex(byte[][] bytes, IEnumerable<int> ends, Func<string, int?> name, int vocabulary)
    {
        (this.bytes, Name, Vocabulary) = (bytes, name, vocabulary);
        Ends = [.. ends.Where(id => id < vocabulary).Order()];
        var ordered = Enumerable.Range(0, Math.Min(bytes.Length, vocabulary)).Where(id => bytes[id].Length > 0 && !Ends.Contains(id)).ToArray();
        Array.Sort(ordered, (a, b) => bytes[a].AsSpan().SequenceCompareTo(bytes[b]) is var c and not 0 ? c : a.CompareTo(b));
        same = new int[bytes.Length];
        Array.Fill(same, -1);

        var (values, depths, tokens) = (new List<byte> { 0 }, new List<int> { 0 }, new List<int> { -1 });
        byte[] before = [];
        var lastOfNode = -1;
        foreach (var id in ordered)
        {
            var text = bytes[id];
            var common = text.AsSpan().CommonPrefixLength(before);
            if (common == text.Length && common == before.Length)
            {
                lastOfNode = same[lastOfNode] = id;
                continue;
            }
            for (var at = common; at < text.Length; at++)
            {
                values.Add(text[at]);
                depths.Add(at + 1);
                tokens.Add(-1);
            }
            tokens[^1] = lastOfNode = id;
            before = text;
        }
        (Bytes, Depths, Tokens) = ([.. values], [.. depths], [.. tokens]);
        (Next, Longest) = Below();
    }

    /// <summary>Number of logits.</summary>
    public int Vocabulary { get; }

    /// <summary>Tokens that end a turn.</summary>
    public int[] Ends { get; }

    /// <summary>The id of the token with a text, if there is just one.</summary>
    public Func<string, int?> Name { get; }

    /// <summary>The byte of each node; of the first, which is the root, none.</summary>
    public byte[] Bytes { get; }

    /// <summary>Bytes from the root to each node.</summary>
    public int[] Depths { get; }

    /// <summary>First token that ends at each node, or −1.</summary>
    public int[] Tokens { get; }

    /// <summary>The node after all that are below each.</summary>
    public int[] Next { get; }

    /// <summary>Bytes of the longest token at or below each node.</summary>
    public int[] Longest { get; }

    /// <summary>The tree of a model's vocabulary.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="vocabulary">Number of logits: a model may have some for no token.</param>
    public static TokenIndex Of(Tokenizer tokenizer, int vocabulary)
    {
        lock (Known)
        {
            if (Known.TryGetValue(tokenizer, out var known) && known.Vocabulary == vocabulary) return known;
            var bytes = new byte[tokenizer.Count][];
            for (var id = 0; id < bytes.Length; id++) bytes[id] = tokenizer.IsControl(id) ? [] : tokenizer.Bytes(id).ToArray();
            var index = new TokenIndex(bytes, tokenizer.EndOfTurn, Find, vocabulary);
            Known.AddOrUpdate(tokenizer, index);
            return index;
        }

        int? Find(string text) => tokenizer.Encode(text, addSpecial: false, parseSpecial: true) is [var id] ? id : null;
    }

    /// <summary>The bytes of a token; none for one that is no text.</summary>
    public ReadOnlySpan<byte> BytesOf(int token) => (uint)token < (uint)bytes.Length ? bytes[token] : [];

    /// <summary>Sets the bits of a token and of those with the same bytes.</summary>
    public void Set(ulong[] mask, int token)
    {
        for (; token >= 0; token = same[token]) mask[token >> 6] |= 1UL << token;
    }

    /// <summary>Clears the bits of a token and of those with the same bytes.</summary>
    public void Clear(ulong[] mask, int token)
    {
        for (; token >= 0; token = same[token]) mask[token >> 6] &= ~(1UL << token);
    }

    private (int[] Next, int[] Longest) Below()
    {
        var (next, longest) = (new int[Bytes.Length], new int[Bytes.Length]);
        var path = new List<int>(); // the nodes from the root to the present one
        for (var node = 0; node <= Bytes.Length; node++)
        {
            var depth = node < Bytes.Length ? Depths[node] : 0;
            while (path.Count > depth)
            {
                var done = path[^1];
                path.RemoveAt(path.Count - 1);
                next[done] = node;
                if (path.Count > 0) longest[path[^1]] = Math.Max(longest[path[^1]], longest[done]);
            }
            if (node == Bytes.Length) break;
            if (Tokens[node] >= 0) longest[node] = depth;
            path.Add(node);
        }
        return (next, longest);
    }
}
