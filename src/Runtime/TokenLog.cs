using WarpDecode.Runtime.Evaluation;

namespace WarpDecode.Runtime;

/// <summary>
/// What is known of an answer's tokens, on its way from the thread that decodes to who reads the text: a token is handed over with the bytes that
/// it completes, those that are held back for a stop string or for the rest of a character with what follows them.
/// </summary>
internal sealed class TokenLog
{
    private readonly Lock gate = new();
    private readonly Queue<(GeneratedToken Token, long End)> ready = new();
    private readonly List<GeneratedToken> open = []; // their bytes are not written yet
    private float[] logits = [];
    private double sum;
    private int likeliest = -1;
    private long written; // bytes
    private long unflushed;

    /// <summary>Keeps the logits that the next token is chosen from, and how many of the likeliest are wanted.</summary>
    public void Observe(ReadOnlySpan<float> values, int count)
    {
        if (logits.Length != values.Length) logits = new float[values.Length];
        values.CopyTo(logits);
        sum = LogSoftmax.LogSumExp(values);
        likeliest = count;
    }

    /// <summary>A token was chosen.</summary>
    public void Add(int id, TimeSpan at) =>
        open.Add(likeliest < 0 ? new GeneratedToken(id, at, null, []) : new GeneratedToken(id, at, logits[id] - sum, Best()));

    /// <summary>What the last token brought is in the pipe.</summary>
    /// <param name="pending">Bytes in the pipe that are not flushed.</param>
    /// <param name="mayBeHeld">Whether text may still be held back.</param>
    public void Written(long pending, bool mayBeHeld)
    {
        var brought = pending - unflushed;
        written += brought;
        unflushed = mayBeHeld ? 0 : pending; // it is flushed next
        if (brought == 0 && mayBeHeld) return;
        lock (gate)
        {
            foreach (var token in open) ready.Enqueue((token, written));
        }
        open.Clear();
    }

    /// <summary>The tokens whose text is within so many bytes; all that there are once the answer is over.</summary>
    public IReadOnlyList<GeneratedToken> Take(long bytes, bool isOver)
    {
        lock (gate)
        {
            if (ready.Count == 0 || (!isOver && ready.Peek().End > bytes)) return [];
            var taken = new List<GeneratedToken>();
            while (ready.TryPeek(out var next) && (isOver || next.End <= bytes)) taken.Add(ready.Dequeue().Token);
            return taken;
        }
    }

    private TokenLogProb[] Best()
    {
        if (likeliest == 0) return [];
        // The best few of many: a heap of the worst of them on top.
        var best = new PriorityQueue<int, (float, int)>(likeliest + 1);
        for (var id = 0; id < logits.Length; id++)
        {
            if (best.Count == likeliest && best.TryPeek(out _, out var worst) && logits[id] <= worst.Item1) continue;
            best.Enqueue(id, (logits[id], -id));
            if (best.Count > likeliest) best.Dequeue();
        }
        var result = new TokenLogProb[best.Count];
        for (var i = result.Length - 1; i >= 0; i--)
        {
            var id = best.Dequeue();
            result[i] = new TokenLogProb(id, logits[id] - sum);
        }
        return result;
    }
}
