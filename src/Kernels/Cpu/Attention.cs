using System.Numerics;
using WarpDecode.Formats;

namespace WarpDecode.Kernels.Cpu;

/// <summary>
/// Attention of each token over the pages of its sequence. One item is one token and one key/value head, with all the query
/// heads that share it: keys and values are read once for the group. Positions are taken in order, so the sums of a token
/// depend on its own history alone.
/// </summary>
internal sealed unsafe class Attention : Job, IDisposable
{
    private readonly RowKernel keys = Dispatch.Rows(WeightType.F32);
    private Step? step;
    private float* qkv;
    private float* output;
    private AttentionShape shape;
    private HostKvCache? cache;
    private int layer;
    private HostMemory? scratch;
    private long scratchValues;
    private int group;
    private int longest;

    public void Run(WorkerPool pool, Step work, float* joint, in AttentionShape attention, HostKvCache kv, int index, float* y)
    {
        (step, shape, cache, layer) = (work, attention, kv, index);
        qkv = joint;
        output = y;
        group = shape.Heads / shape.KvHeads;
        longest = work.PagesPerSequence * kv.Shape.PageTokens;
        var needed = (long)pool.Workers * group * longest;
        if (needed > scratchValues)
        {
            scratch?.Dispose();
            scratch = new HostMemory(needed * sizeof(float));
            scratchValues = needed;
        }
        pool.Run(this, work.Count * shape.KvHeads);
        (step, cache) = (null, null);
    }

    public override void Do(int begin, int end, int worker)
    {
        for (var item = begin; item < end; item++) Group(item / shape.KvHeads, item % shape.KvHeads, worker);
    }

    public void Dispose() => scratch?.Dispose();

    private void Group(int t, int kvHead, int worker)
    {
        var length = step!.Positions[t] + 1;
        var pages = new ReadOnlySpan<int>(step.PageTables, step.Sequences[t] * step.PagesPerSequence, step.PagesPerSequence);
        var q = qkv + ((long)t * shape.QkvSize) + (kvHead * group * shape.HeadDim);
        var scores = (float*)scratch!.Start + ((long)worker * group * longest); // [group, longest]
        Scores(q, kvHead, pages, length, scores);
        var y = output + ((((long)t * shape.Heads) + (kvHead * group)) * shape.HeadDim);
        for (var h = 0; h < group; h++)
        {
            var total = Exponentials(scores + ((long)h * longest), length, shape.Scale);
            WeightedValues(scores + ((long)h * longest), kvHead, pages, length, 1 / total, y + (h * shape.HeadDim));
        }
    }

    private void Scores(float* q, int kvHead, ReadOnlySpan<int> pages, int length, float* scores)
    {
        var pageTokens = cache!.Shape.PageTokens;
        var x = stackalloc float*[4];
        var a = stackalloc float[4];
        var b = stackalloc float[4];
        for (var first = 0; first < length; first += pageTokens)
        {
            var key = (byte*)cache.Key(layer, pages[first / pageTokens], kvHead, 0);
            var rowBytes = (long)shape.HeadDim * sizeof(float);
            var end = Math.Min(first + pageTokens, length);
            for (var p = first; p < end; p += 2, key += 2 * rowBytes)
            {
                // An odd last position is paired with itself.
                var pair = p + 1 < end;
                var second = pair ? key + rowBytes : key;
                var h = 0;
                for (; h + 4 <= group; h += 4)
                {
                    for (var i = 0; i < 4; i++) x[i] = q + ((h + i) * shape.HeadDim);
                    keys.Dot4(key, second, x, shape.HeadDim, a, b);
                    for (var i = 0; i < 4; i++) Put(scores + ((long)(h + i) * longest) + p, a[i], b[i], pair);
                }
                for (; h < group; h++)
                {
                    keys.Dot(key, second, q + (h * shape.HeadDim), shape.HeadDim, a, b);
                    Put(scores + ((long)h * longest) + p, a[0], b[0], pair);
                }
            }
        }
    }

    private static void Put(float* at, float a, float b, bool pair)
    {
        at[0] = a;
        if (pair) at[1] = b;
    }

    /// <summary>scores = exp(scale · (scores − max)), in place; returns their sum.</summary>
    private static float Exponentials(float* scores, int length, float scale)
    {
        var max = float.NegativeInfinity;
        for (var i = 0; i < length; i++) max = MathF.Max(max, scores[i]);
        var sum = Vector<float>.Zero;
        var n = 0;
        for (; n + Vector<float>.Count <= length; n += Vector<float>.Count)
        {
            var e = Vector.Exp((Vector.Load(scores + n) - new Vector<float>(max)) * scale);
            e.Store(scores + n);
            sum += e;
        }
        var total = Vector.Sum(sum);
        for (; n < length; n++) total += scores[n] = MathF.Exp((scores[n] - max) * scale);
        return total;
    }

    /// <summary>y = factor · Σ weights[p] · value[p], a few lanes of the head at a time over all positions in order.</summary>
    private void WeightedValues(float* weights, int kvHead, ReadOnlySpan<int> pages, int length, float factor, float* y)
    {
        var pageTokens = cache!.Shape.PageTokens;
        var headDim = shape.HeadDim;
        new Span<float>(y, headDim).Clear();
        for (var first = 0; first < length; first += pageTokens)
        {
            var values = cache.Value(layer, pages[first / pageTokens], kvHead, 0);
            var count = Math.Min(pageTokens, length - first);
            var d = 0;
            for (; d + (2 * Vector<float>.Count) <= headDim; d += 2 * Vector<float>.Count)
            {
                var (sum0, sum1) = (Vector.Load(y + d), Vector.Load(y + d + Vector<float>.Count));
                var v = values + d;
                for (var p = 0; p < count; p++, v += headDim)
                {
                    var w = new Vector<float>(weights[first + p]);
                    sum0 = Vector.MultiplyAddEstimate(w, Vector.Load(v), sum0);
                    sum1 = Vector.MultiplyAddEstimate(w, Vector.Load(v + Vector<float>.Count), sum1);
                }
                sum0.Store(y + d);
                sum1.Store(y + d + Vector<float>.Count);
            }
            for (; d < headDim; d++)
            {
                var sum = y[d];
                for (var p = 0; p < count; p++) sum += weights[first + p] * values[(p * headDim) + d];
                y[d] = sum;
            }
        }
        for (var d = 0; d < headDim; d++) y[d] *= factor;
    }
}
