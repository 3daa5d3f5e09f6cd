namespace WarpDecode.Kernels.Reference;

/// <summary>Softmax of the router's scores over all experts, then the topK largest (the lower id first among equals).</summary>
internal static unsafe class Route
{
    public static void Run(HostWeight router, float* h, int token, in RouterSpec spec, HostRouting routing)
    {
        var p = new double[router.Rows];
        for (var e = 0; e < p.Length; e++) p[e] = Project.Dot(router, 0, e, h);
        var max = p.Max();
        var total = 0.0;
        for (var e = 0; e < p.Length; e++) total += p[e] = Math.Exp(p[e] - max);

        var best = Enumerable.Range(0, p.Length).OrderByDescending(e => p[e]).ThenBy(e => e).Take(spec.TopK).ToArray();
        var divisor = spec.Normalize ? best.Sum(e => p[e]) : total;
        for (var k = 0; k < best.Length; k++)
        {
            routing.Ids[(token * spec.TopK) + k] = best[k];
            routing.Weights[(token * spec.TopK) + k] = (float)(p[best[k]] / divisor);
        }
    }
}
