namespace WarpDecode.Kernels.Cpu;

/// <summary>Softmax of the router's scores over all experts, then the topK largest (the lower id first among equals).</summary>
internal sealed unsafe class Route : Job
{
    private float* scores;
    private HostRouting? routing;
    private bool normalize;

    /// <summary>Turns scores [tokens, experts] into routes and lists each expert's tokens. The scores are used up.</summary>
    public void Run(WorkerPool pool, float* logits, int tokens, in RouterSpec spec, HostRouting routes)
    {
        scores = logits;
        (routing, normalize) = (routes, spec.Normalize);
        pool.Run(this, tokens, itemsAtOnce: 8);
        routes.GroupByExpert(tokens);
        routing = null;
    }

    public override void Do(int begin, int end, int worker)
    {
        var (experts, topK) = (routing!.Experts, routing.TopK);
        for (var t = begin; t < end; t++)
        {
            var p = scores + ((long)t * experts);
            var max = p[0];
            for (var e = 1; e < experts; e++) max = MathF.Max(max, p[e]);
            var total = 0f;
            for (var e = 0; e < experts; e++) total += p[e] = MathF.Exp(p[e] - max);

            var ids = routing.Ids + (t * topK);
            var weights = routing.Weights + (t * topK);
            var chosen = 0f;
            for (var k = 0; k < topK; k++)
            {
                var best = 0;
                for (var e = 1; e < experts; e++)
                {
                    if (p[e] > p[best]) best = e;
                }
                ids[k] = best;
                weights[k] = p[best];
                chosen += p[best];
                p[best] = -1; // never chosen again: probabilities are not negative
            }
            var factor = 1 / (normalize ? chosen : total);
            for (var k = 0; k < topK; k++) weights[k] *= factor;
        }
    }
}
