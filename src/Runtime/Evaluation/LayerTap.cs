using WarpDecode.Kernels;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>What one layer's experts read and what they left, for the tokens of one sequence.</summary>
internal sealed class LayerTrace(int tokens, int hidden, int topK)
{
    /// <summary>Residual stream before the experts [T, H].</summary>
    public float[] Before { get; } = new float[tokens * hidden];

    /// <summary>Normalized input of the experts [T, H].</summary>
    public float[] Input { get; } = new float[tokens * hidden];

    /// <summary>Chosen experts [T, K].</summary>
    public int[] Experts { get; } = new int[tokens * topK];

    /// <summary>Their weights [T, K].</summary>
    public float[] Weights { get; } = new float[tokens * topK];

    /// <summary>Residual stream after the experts, the layer's output [T, H]; of a fed run the experts' own output.</summary>
    public float[] After { get; } = new float[tokens * hidden];

    /// <summary>Whether a fed run chose the experts that it was fed with [T].</summary>
    public bool[] SameExperts { get; } = new bool[tokens];
}

/// <summary>
/// Records what goes into and out of the experts of every layer, for one sequence from position 0 on. With <see cref="Feed"/> the
/// experts of each layer get the input and the routes of another run instead of their own, and a residual stream of zero: what is
/// recorded then is that layer's experts alone. A backend whose routes the host cannot write routes by itself, from the other run's
/// residual stream; <see cref="LayerTrace.SameExperts"/> says where it chose alike.
/// </summary>
internal sealed class LayerTap(IBackend inner, ModelConfig config) : ForwardingBackend(inner)
{
    private readonly float[] zeros = new float[config.Hidden * inner.PrefillTokens];
    private HostRouting? copy;
    private int layer;

    /// <summary>Where layers are recorded; null for nowhere.</summary>
    public IReadOnlyList<LayerTrace>? Record { get; set; }

    /// <summary>The run whose inputs the experts get; null for their own.</summary>
    public IReadOnlyList<LayerTrace>? Feed { get; set; }

    /// <summary>Gate, up and down of each layer, once a step has run.</summary>
    public (Weight Gate, Weight Up, Weight Down)[] Weights { get; } = new (Weight, Weight, Weight)[config.Layers];

    public override bool Begin(Step step)
    {
        layer = 0;
        if (step.SequenceCount != 1) throw new InvalidOperationException("a tap follows one sequence");
        return base.Begin(step) ? true : throw new InvalidOperationException("a tap cannot look into a recorded step: create the backend without recording");
    }

    public override void Route(Step step, Tensor x, Tensor norm, float epsilon, Weight router, in RouterSpec spec, Tensor h, Routing routing)
    {
        var (hidden, topK, first, count) = (config.Hidden, config.TopK, step.Positions[0], step.Count);
        if (Feed is { } feed) Inner.Write(x, 0, feed[layer].Before.AsSpan(first * hidden, count * hidden));
        else if (Record is { } before) Inner.Read(x, 0, count * hidden).CopyTo(before[layer].Before.AsSpan(first * hidden));
        base.Route(step, x, norm, epsilon, router, spec, h, routing);
        if (Feed is { } fed)
        {
            Inner.Write(h, 0, fed[layer].Input.AsSpan(first * hidden, count * hidden));
            if (routing is HostRouting own) WriteRoutes(own, fed[layer], first, count);
        }
        if (Record is not { } record) return;
        Inner.Read(h, 0, count * hidden).CopyTo(record[layer].Input.AsSpan(first * hidden));
        if (copy is null || copy.Tokens < count)
        {
            copy?.Dispose();
            copy = new HostRouting(count, topK, config.Experts);
        }
        routing.CopyTo(copy, count);
        for (var t = 0; t < count; t++)
        {
            var at = (first + t) * topK;
            for (var k = 0; k < topK; k++) (record[layer].Experts[at + k], record[layer].Weights[at + k]) = (copy.Expert(t, k), copy.WeightOf(t, k));
            record[layer].SameExperts[first + t] = Feed is null || record[layer].Experts.AsSpan(at, topK).SequenceEqual(Feed[layer].Experts.AsSpan(at, topK));
        }
    }

    public override void MoeGateUp(Step step, Tensor h, Weight gate, Weight up, Routing routing, Tensor mid)
    {
        (Weights[layer].Gate, Weights[layer].Up) = (gate, up);
        base.MoeGateUp(step, h, gate, up, routing, mid);
    }

    public override void MoeDown(Step step, Tensor mid, Weight down, Routing routing, Tensor x)
    {
        Weights[layer].Down = down;
        var length = step.Count * config.Hidden;
        if (Feed is not null) Inner.Write(x, 0, zeros.AsSpan(0, length));
        base.MoeDown(step, mid, down, routing, x);
        if (Record is { } record) Inner.Read(x, 0, length).CopyTo(record[layer].After.AsSpan(step.Positions[0] * config.Hidden));
        layer++;
    }

    public override void Dispose()
    {
        copy?.Dispose();
        base.Dispose();
    }

    private unsafe void WriteRoutes(HostRouting routing, LayerTrace from, int first, int count)
    {
        var (at, pairs) = (first * config.TopK, count * config.TopK);
        from.Experts.AsSpan(at, pairs).CopyTo(new Span<int>(routing.Ids, pairs));
        from.Weights.AsSpan(at, pairs).CopyTo(new Span<float>(routing.Weights, pairs));
        routing.GroupByExpert(count);
    }
}
