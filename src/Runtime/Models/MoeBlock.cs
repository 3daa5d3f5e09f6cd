using WarpDecode.Kernels;

namespace WarpDecode.Runtime.Models;

/// <summary>A layer's experts: x += Σₖ wₖ · downₖ(silu(gateₖ·h) · upₖ·h), h = norm(x), the k chosen by the router.</summary>
internal sealed class MoeBlock(Tensor norm, Weight router, Weight gate, Weight up, Weight down)
{
    public ExpertWeights Experts => new(gate, up, down);

    public void Forward(IBackend ops, Step step, Workspace work, in RouterSpec spec, float epsilon)
    {
        ops.Route(step, work.X, norm, epsilon, router, spec, work.H, work.Routing);                                 // h [T, H], routing [T, K]
        work.Routed?.Invoke(work.Routing);
        ops.MoeGateUp(step, work.H, gate, up, work.Routing, work.Mid);                                              // mid [T, K, F]
        ops.MoeDown(step, work.Mid, down, work.Routing, work.X);                                                    // x [T, H]
    }
}
