using System.Text;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// Texts that the answer must not contain: a token that would complete one is ruled out, wherever the text began. All are matched at once,
/// byte by byte (Aho and Corasick 1975); the state is what the end of the answer could be the beginning of.
/// </summary>
internal sealed class BannedStrings
{
    /// <summary>Most bytes of all texts together: the table has 512 bytes for each.</summary>
    public const int MostBytes = 16384;

    private readonly Tokenizer tokenizer;
    private readonly ushort[] next;    // [states, 256]
    private readonly bool[] complete;  // [states] whether a text ends here
    private int state;

    public BannedStrings(IReadOnlyList<string> texts, Tokenizer tokenizer)
    {
        this.tokenizer = tokenizer;
        var spelled = texts.Select(Encoding.UTF8.GetBytes).ToArray();
        var most = spelled.Sum(t => t.Length) + 1;
        next = new ushort[most * 256];
        complete = new bool[most];
        var states = 1;
        foreach (var text in spelled)
        {
            var at = 0;
            foreach (var b in text)
            {
                ref var to = ref next[(at * 256) + b];
                if (to == 0) to = (ushort)states++;
                at = to;
            }
            complete[at] = true;
        }
        Link(states);
    }

    // From the tree to the automaton, level by level: where the tree has no way on, the way is that of the longest proper end of what was read.
    private void Link(int states)
    {
        var shorter = new ushort[states];
        var queue = new Queue<int>();
        for (var b = 0; b < 256; b++)
        {
            if (next[b] > 0) queue.Enqueue(next[b]);
        }
        while (queue.TryDequeue(out var at))
        {
            var end = shorter[at];
            complete[at] |= complete[end];
            for (var b = 0; b < 256; b++)
            {
                ref var to = ref next[(at * 256) + b];
                var other = next[(end * 256) + b];
                if (to == 0)
                {
                    to = other;
                    continue;
                }
                shorter[to] = other;
                queue.Enqueue(to);
            }
        }
    }

    /// <summary>Whether a token would complete one of the texts.</summary>
    public bool Completes(int token)
    {
        var at = state;
        foreach (var b in BytesOf(token))
        {
            at = next[(at * 256) + b];
            if (complete[at]) return true;
        }
        return false;
    }

    /// <summary>Gives every token that would complete one of the texts a logit of −∞.</summary>
    public void Apply(Span<float> logits)
    {
        for (var id = 0; id < logits.Length; id++)
        {
            if (Completes(id)) logits[id] = float.NegativeInfinity;
        }
    }

    /// <summary>Takes a token of the answer.</summary>
    public void Accept(int token)
    {
        foreach (var b in BytesOf(token)) state = next[(state * 256) + b];
    }

    /// <summary>Back to the beginning of an answer.</summary>
    public void Reset() => state = 0;

    // Control tokens, and those that a padded table has beyond the tokenizer's, add nothing to the text.
    private ReadOnlySpan<byte> BytesOf(int token) => token < tokenizer.Count && !tokenizer.IsControl(token) ? tokenizer.Bytes(token) : [];
}
