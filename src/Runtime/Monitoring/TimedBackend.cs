using System.Diagnostics;
using WarpDecode.Kernels;
using WarpDecode.Runtime.Evaluation;

namespace WarpDecode.Runtime.Monitoring;

/// <summary>
/// Times each operation of a step on a backend that has computed it when it returns. It stands in for the backend between two steps, and is taken away
/// the same way: what nobody watches costs nothing. It does not own the backend.
/// </summary>
internal sealed class TimedBackend(IBackend inner) : ForwardingBackend(inner, owns: false)
{
    /// <summary>How many <see cref="StepPart"/>s there are.</summary>
    public const int Parts = (int)StepPart.Head + 1;

    private readonly long[] ticks = new long[Parts];

    /// <summary>Ticks of each part since the last <see cref="Restart"/>.</summary>
    public ReadOnlySpan<long> Ticks => ticks;

    /// <summary>Begins anew.</summary>
    public void Restart() => Array.Clear(ticks);

    public override void Embed(Step step, Weight table, Tensor x)
    {
        var begun = Stopwatch.GetTimestamp();
        base.Embed(step, table, x);
        End(StepPart.Embedding, begun);
    }

    public override void Angles(Step step, Tensor frequencies, Tensor angles)
    {
        var begun = Stopwatch.GetTimestamp();
        base.Angles(step, frequencies, angles);
        End(StepPart.Embedding, begun);
    }

    public override void NormProject(Step step, Tensor x, Tensor norm, float epsilon, ReadOnlySpan<Weight> weights, Tensor y)
    {
        var begun = Stopwatch.GetTimestamp();
        base.NormProject(step, x, norm, epsilon, weights, y);
        End(StepPart.Projections, begun);
    }

    public override void RopeAndStore(
        Step step, Tensor qkv, Tensor? qNorm, Tensor? kNorm, float epsilon, Tensor angles, in AttentionShape shape, KvCache cache, int layer)
    {
        var begun = Stopwatch.GetTimestamp();
        base.RopeAndStore(step, qkv, qNorm, kNorm, epsilon, angles, shape, cache, layer);
        End(StepPart.Attention, begun);
    }

    public override void Attention(Step step, Tensor qkv, in AttentionShape shape, KvCache cache, int layer, Tensor y)
    {
        var begun = Stopwatch.GetTimestamp();
        base.Attention(step, qkv, shape, cache, layer, y);
        End(StepPart.Attention, begun);
    }

    public override void ProjectAdd(Step step, Tensor y, Weight weight, Tensor x)
    {
        var begun = Stopwatch.GetTimestamp();
        base.ProjectAdd(step, y, weight, x);
        End(StepPart.Projections, begun);
    }

    public override void Route(Step step, Tensor x, Tensor norm, float epsilon, Weight router, in RouterSpec spec, Tensor h, Routing routing)
    {
        var begun = Stopwatch.GetTimestamp();
        base.Route(step, x, norm, epsilon, router, spec, h, routing);
        End(StepPart.Router, begun);
    }

    public override void MoeGateUp(Step step, Tensor h, Weight gate, Weight up, Routing routing, Tensor mid)
    {
        var begun = Stopwatch.GetTimestamp();
        base.MoeGateUp(step, h, gate, up, routing, mid);
        End(StepPart.GateUp, begun);
    }

    public override void MoeDown(Step step, Tensor mid, Weight down, Routing routing, Tensor x)
    {
        var begun = Stopwatch.GetTimestamp();
        base.MoeDown(step, mid, down, routing, x);
        End(StepPart.Down, begun);
    }

    public override void Head(Step step, Tensor x, Tensor norm, float epsilon, Weight output, Tensor logits)
    {
        var begun = Stopwatch.GetTimestamp();
        base.Head(step, x, norm, epsilon, output, logits);
        End(StepPart.Head, begun);
    }

    private void End(StepPart part, long begun) => ticks[(int)part] += Stopwatch.GetTimestamp() - begun;
}
