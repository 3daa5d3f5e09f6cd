using WarpDecode.Kernels;

namespace WarpDecode.Runtime.Models;

/// <summary>A layer's experts: x += Σₖ wₖ · downₖ(silu(gateₖ·h) · upₖ·h), h = norm(x), the k chosen by the router.</summary>
internal sealed class MoeBlock(Tensor norm, Weight router, Weight gate, Weight up, Weight down)
{
    public ExpertWeights Experts => new(gate, up, down);

    public void Forward(IBackend ops, Step step, Workspace work, in RouterSpec spec, float epsilon, int layer)
    {
        var routing = work.Routings[layer];
        ops.Route(step, work.X, norm, epsilon, router, spec, work.H, routing);                                      // h [T, H], routing [T, K]
        work.Routed?.Invoke(routing);
        ops.MoeGateUp(step, work.H, gate, up, routing, work.Mid);                                                   // mid [T, K, F]
        ops.MoeDown(step, work.Mid, down, routing, work.X);                                                         // x [T, H]
    }
}
