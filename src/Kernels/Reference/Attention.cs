namespace WarpDecode.Kernels.Reference;

/// <summary>softmax(q·Kᵀ·scale)·V for each token and head over the positions up to its own.</summary>
internal static unsafe class Attention
{
    public static void Run(Step step, float* qkv, in AttentionShape shape, HostKvCache cache, int layer, float* y)
    {
        var pageTokens = cache.Shape.PageTokens;
        var group = shape.Heads / shape.KvHeads;
        for (var t = 0; t < step.Count; t++)
        {
            var length = step.Positions[t] + 1;
            var pages = step.Sequences[t] * step.PagesPerSequence;
            var scores = new double[length];
            for (var h = 0; h < shape.Heads; h++)
            {
                var q = qkv + ((long)t * shape.QkvSize) + (h * shape.HeadDim);
                var max = double.NegativeInfinity;
                for (var p = 0; p < length; p++)
                {
                    var key = cache.Key(layer, step.PageTables[pages + (p / pageTokens)], h / group, p % pageTokens);
                    var dot = 0.0;
                    for (var d = 0; d < shape.HeadDim; d++) dot += (double)q[d] * key[d];
                    scores[p] = dot * shape.Scale;
                    max = Math.Max(max, scores[p]);
                }
                var total = 0.0;
                for (var p = 0; p < length; p++) total += scores[p] = Math.Exp(scores[p] - max);
                var output = y + ((((long)t * shape.Heads) + h) * shape.HeadDim);
                for (var d = 0; d < shape.HeadDim; d++)
                {
                    var sum = 0.0;
                    for (var p = 0; p < length; p++)
                        sum += scores[p] * cache.Value(layer, step.PageTables[pages + (p / pageTokens)], h / group, p % pageTokens)[d];
                    output[d] = (float)(sum / total);
                }
            }
        }
    }
}
