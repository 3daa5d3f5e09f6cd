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
    private readonly Queue<(GeneratedToken Token, long End)> open = new(); // and where their text ends; it is not all written yet
    private GeneratedToken? newest;
    private float[] logits = [];
    private double sum;
    private int likeliest = -1;
    private long fed; // bytes of the tokens
    private long passed; // of these, what no stop string holds back
    private long written; // bytes in the pipe

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
        newest = likeliest < 0 ? new GeneratedToken(id, at, null, []) : new GeneratedToken(id, at, logits[id] - sum, Best());

    /// <summary>Its text is on its way.</summary>
    /// <param name="fed">Bytes of the text.</param>
    /// <param name="passed">Bytes that no stop string holds back now and did before, or that are new.</param>
    /// <param name="held">Bytes that wait for the rest of a character.</param>
    /// <param name="pending">Bytes that came into the pipe, and are flushed next.</param>
    public void Written(int fed, int passed, int held, long pending)
    {
        this.fed += fed;
        this.passed += passed;
        written += pending;
        open.Enqueue((newest!, this.fed));
        newest = null;
        HandOver(this.passed - held);
    }

    /// <summary>There are no further tokens, and what was held back is written or dropped.</summary>
    public void Finish()
    {
        if (newest is not null) open.Enqueue((newest, fed)); // it ended the turn
        HandOver(long.MaxValue);
    }

    private void HandOver(long said)
    {
        if (open.Count == 0 || open.Peek().End > said) return;
        lock (gate)
        {
            while (open.TryPeek(out var next) && next.End <= said) ready.Enqueue((open.Dequeue().Token, written));
        }
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
