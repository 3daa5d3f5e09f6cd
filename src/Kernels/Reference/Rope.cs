namespace WarpDecode.Kernels.Reference;

/// <summary>Norm of each query and key head, rotation by position (lane i with lane i + headDim/2), and the store into the cache.</summary>
internal static unsafe class Rope
{
    public static void Run(
        Step step, float* qkv, float* qNorm, float* kNorm, float epsilon, float* angles, in AttentionShape shape, HostKvCache cache, int layer)
    {
        for (var t = 0; t < step.Count; t++)
        {
            var q = qkv + ((long)t * shape.QkvSize);
            var k = q + (shape.Heads * shape.HeadDim);
            var v = k + (shape.KvHeads * shape.HeadDim);
            var cosSin = angles + ((long)t * shape.HeadDim);
            for (var h = 0; h < shape.Heads; h++) Turn(q + (h * shape.HeadDim), qNorm, epsilon, cosSin, shape.HeadDim);
            var position = step.Positions[t];
            var page = step.PageTables[(step.Sequences[t] * step.PagesPerSequence) + (position / cache.Shape.PageTokens)];
            for (var h = 0; h < shape.KvHeads; h++)
            {
                Turn(k + (h * shape.HeadDim), kNorm, epsilon, cosSin, shape.HeadDim);
                var key = cache.Key(layer, page, h, position % cache.Shape.PageTokens);
                var value = cache.Value(layer, page, h, position % cache.Shape.PageTokens);
                for (var d = 0; d < shape.HeadDim; d++)
                {
                    key[d] = k[(h * shape.HeadDim) + d];
                    value[d] = v[(h * shape.HeadDim) + d];
                }
            }
        }
    }

    private static void Turn(float* head, float* norm, float epsilon, float* cosSin, int headDim)
    {
        if (norm is not null) RmsNorm.Run(head, head, norm, headDim, epsilon);
        var half = headDim / 2;
        for (var i = 0; i < half; i++)
        {
            double a = head[i], b = head[i + half], cos = cosSin[i], sin = cosSin[half + i];
            head[i] = (float)((a * cos) - (b * sin));
            head[i + half] = (float)((b * cos) + (a * sin));
        }
    }
}
