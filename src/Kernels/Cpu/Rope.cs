namespace WarpDecode.Kernels.Cpu;

/// <summary>
/// Norm of each query and key head, rotation by position (rope, Su et al., 2021: lane i turns with lane i + headDim/2), and the
/// way of keys and values into the cache.
/// </summary>
internal sealed unsafe class Rope : Job
{
    private Step? step;
    private float* qkv;
    private float* qNorm;
    private float* kNorm;
    private float epsilon;
    private float* angles;
    private AttentionShape shape;
    private HostKvCache? cache;
    private int layer;

    public void Run(
        WorkerPool pool, Step work, float* joint, float* queryNorm, float* keyNorm, float eps, float* cosSin, in AttentionShape attention,
        HostKvCache kv, int index)
    {
        (step, epsilon, shape, cache, layer) = (work, eps, attention, kv, index);
        qkv = joint;
        qNorm = queryNorm;
        kNorm = keyNorm;
        angles = cosSin;
        pool.Run(this, work.Count, itemsAtOnce: 2);
        (step, cache) = (null, null);
    }

    public override void Do(int begin, int end, int worker)
    {
        var half = shape.HeadDim / 2;
        for (var t = begin; t < end; t++)
        {
            var q = qkv + ((long)t * shape.QkvSize);
            var k = q + (shape.Heads * shape.HeadDim);
            var v = k + (shape.KvHeads * shape.HeadDim);
            var cos = angles + ((long)t * 2 * half);
            for (var h = 0; h < shape.Heads; h++) Turn(q + (h * shape.HeadDim), qNorm, cos, half);
            var position = step!.Positions[t];
            var page = step.PageTables[(step.Sequences[t] * step.PagesPerSequence) + (position / cache!.Shape.PageTokens)];
            var slot = position % cache.Shape.PageTokens;
            var bytes = shape.HeadDim * sizeof(float);
            for (var h = 0; h < shape.KvHeads; h++)
            {
                var head = k + (h * shape.HeadDim);
                Turn(head, kNorm, cos, half);
                Buffer.MemoryCopy(head, cache.Key(layer, page, h, slot), bytes, bytes);
                Buffer.MemoryCopy(v + (h * shape.HeadDim), cache.Value(layer, page, h, slot), bytes, bytes);
            }
        }
    }

    private void Turn(float* head, float* norm, float* cos, int half)
    {
        if (norm is not null) RmsNorm.Normalize(head, head, norm, 2 * half, epsilon);
        var sin = cos + half;
        for (var i = 0; i < half; i++)
        {
            var (a, b) = (head[i], head[i + half]);
            head[i] = (a * cos[i]) - (b * sin[i]);
            head[i + half] = (b * cos[i]) + (a * sin[i]);
        }
    }
}
