namespace WarpDecode.Kernels.Reference;

/// <summary>
/// The oracle: plain loops in the order of the formulas, weights by their scalar definitions, FP32 between operations and FP64
/// within. Slow, and meant to be; every other backend is compared with it.
/// </summary>
internal sealed unsafe class ReferenceBackend : HostBackend, IBackend
{
    public string Name => "reference";

    public string Description => "1 thread, scalar, FP64 accumulation";

    public void Embed(Step step, Weight table, Tensor x)
    {
        var w = (HostWeight)table;
        for (var t = 0; t < step.Count; t++)
        {
            for (var c = 0; c < w.Columns; c++) HostTensor.Of(x)[((long)t * w.Columns) + c] = w.Kernel.At(w.Row(step.Tokens[t]), c);
        }
    }

    public void Angles(Step step, Tensor frequencies, Tensor angles) =>
        Cpu.Angles.Run(step, HostTensor.Of(frequencies), (int)frequencies.Length, HostTensor.Of(angles));

    public void NormProject(Step step, Tensor x, Tensor norm, float epsilon, ReadOnlySpan<Weight> weights, Tensor y)
    {
        using var h = new HostTensor(norm.Length);
        var output = HostTensor.Of(y);
        for (var t = 0; t < step.Count; t++)
        {
            RmsNorm.Run(HostTensor.Of(x) + (t * norm.Length), h.Data, HostTensor.Of(norm), (int)norm.Length, epsilon);
            foreach (var weight in weights)
            {
                Project.Run((HostWeight)weight, 0, h.Data, output, add: false);
                output += weight.Rows;
            }
        }
    }

    public void RopeAndStore(
        Step step, Tensor qkv, Tensor? qNorm, Tensor? kNorm, float epsilon, Tensor angles, in AttentionShape shape, KvCache cache, int layer) =>
        Rope.Run(step, HostTensor.Of(qkv), qNorm is null ? null : HostTensor.Of(qNorm), kNorm is null ? null : HostTensor.Of(kNorm), epsilon,
            HostTensor.Of(angles), shape, (HostKvCache)cache, layer);

    public void Attention(Step step, Tensor qkv, in AttentionShape shape, KvCache cache, int layer, Tensor y) =>
        Reference.Attention.Run(step, HostTensor.Of(qkv), shape, (HostKvCache)cache, layer, HostTensor.Of(y));

    public void ProjectAdd(Step step, Tensor y, Weight weight, Tensor x)
    {
        for (var t = 0L; t < step.Count; t++)
            Project.Run((HostWeight)weight, 0, HostTensor.Of(y) + (t * weight.Columns), HostTensor.Of(x) + (t * weight.Rows), add: true);
    }

    public void Route(Step step, Tensor x, Tensor norm, float epsilon, Weight router, in RouterSpec spec, Tensor h, Routing routing)
    {
        for (var t = 0; t < step.Count; t++)
        {
            var row = t * norm.Length;
            RmsNorm.Run(HostTensor.Of(x) + row, HostTensor.Of(h) + row, HostTensor.Of(norm), (int)norm.Length, epsilon);
            Reference.Route.Run((HostWeight)router, HostTensor.Of(h) + row, t, spec, (HostRouting)routing);
        }
    }

    public void MoeGateUp(Step step, Tensor h, Weight gate, Weight up, Routing routing, Tensor mid) =>
        Reference.MoeGateUp.Run(HostTensor.Of(h), (HostWeight)gate, (HostWeight)up, (HostRouting)routing, step.Count, HostTensor.Of(mid));

    public void MoeDown(Step step, Tensor mid, Weight down, Routing routing, Tensor x) =>
        Reference.MoeDown.Run(HostTensor.Of(mid), (HostWeight)down, (HostRouting)routing, step.Count, HostTensor.Of(x));

    public void Head(Step step, Tensor x, Tensor norm, float epsilon, Weight output, Tensor logits)
    {
        using var h = new HostTensor(norm.Length);
        for (var i = 0L; i < step.LogitCount; i++)
        {
            RmsNorm.Run(HostTensor.Of(x) + (step.LogitRows[i] * norm.Length), h.Data, HostTensor.Of(norm), (int)norm.Length, epsilon);
            Project.Run((HostWeight)output, 0, h.Data, HostTensor.Of(logits) + (i * output.Rows), add: false);
        }
    }
}
