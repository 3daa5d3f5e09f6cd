using System.Runtime.InteropServices;

namespace WarpDecode.Kernels.Cpu;

/// <summary>The processor's vector units: weights streamed from the memory map by a fixed set of threads, activations FP32 throughout.</summary>
internal sealed unsafe class CpuBackend : HostBackend, IBackend
{
    private readonly WorkerPool pool;
    private readonly RmsNorm rmsNorm = new();
    private readonly Project project = new();
    private readonly Rope rope = new();
    private readonly Attention attention = new();
    private readonly Route route = new();
    private readonly MoeGateUp gateUp = new();
    private readonly MoeDown moeDown = new();
    private readonly RoundToBFloat16 round = new();
    private readonly Conventional? conventional;
    private readonly ExpertForm form;
    private readonly Weight[] single = new Weight[1];
    private HostTensor? normed;
    private HostTensor? scores;
    private HostTensor? rounded;

    /// <param name="threads">Threads to compute with; 0 for one a core.</param>
    /// <param name="experts">How experts are computed.</param>
    public CpuBackend(int threads = 0, ExpertForm experts = ExpertForm.Warp)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        form = experts;
        if (experts is ExpertForm.Conventional or ExpertForm.ConventionalMxfp8) conventional = new Conventional(experts == ExpertForm.ConventionalMxfp8);
        pool = new WorkerPool(threads == 0 ? Environment.ProcessorCount : threads);
    }

    public string Name => "cpu";

    public string Description => $"{pool.Workers} threads, {Dispatch.Width} on {RuntimeInformation.ProcessArchitecture}{InWords(form)}";

    public int Threads => pool.Workers;

    public void Embed(Step step, Weight table, Tensor x) => Cpu.Embed.Run(step, (HostWeight)table, HostTensor.Of(x));

    public void Angles(Step step, Tensor frequencies, Tensor angles) =>
        Cpu.Angles.Run(step, HostTensor.Of(frequencies), (int)frequencies.Length, HostTensor.Of(angles));

    public void NormProject(Step step, Tensor x, Tensor norm, float epsilon, ReadOnlySpan<Weight> weights, Tensor y)
    {
        var h = Normalize(x, norm, epsilon, step.Count, null);
        project.Run(pool, h, weights, HostTensor.Of(y), step.Count, accumulate: false);
    }

    public void RopeAndStore(
        Step step, Tensor qkv, Tensor? qNorm, Tensor? kNorm, float epsilon, Tensor angles, in AttentionShape shape, KvCache cache, int layer) =>
        rope.Run(pool, step, HostTensor.Of(qkv), qNorm is null ? null : HostTensor.Of(qNorm), kNorm is null ? null : HostTensor.Of(kNorm),
            epsilon, HostTensor.Of(angles), shape, (HostKvCache)cache, layer);

    public void Attention(Step step, Tensor qkv, in AttentionShape shape, KvCache cache, int layer, Tensor y) =>
        attention.Run(pool, step, HostTensor.Of(qkv), shape, (HostKvCache)cache, layer, HostTensor.Of(y));

    public void ProjectAdd(Step step, Tensor y, Weight weight, Tensor x)
    {
        single[0] = weight;
        project.Run(pool, HostTensor.Of(y), single, HostTensor.Of(x), step.Count, accumulate: true);
    }

    public void Route(Step step, Tensor x, Tensor norm, float epsilon, Weight router, in RouterSpec spec, Tensor h, Routing routing)
    {
        rmsNorm.Run(pool, HostTensor.Of(x), HostTensor.Of(h), HostTensor.Of(norm), (int)norm.Length, epsilon, step.Count, null);
        var logits = Reserve(ref scores, (long)step.Capacity * router.Rows);
        single[0] = router;
        project.Run(pool, HostTensor.Of(h), single, logits, step.Count, accumulate: false);
        route.Run(pool, logits, step.Count, spec, (HostRouting)routing);
    }

    public void MoeGateUp(Step step, Tensor h, Weight gate, Weight up, Routing routing, Tensor mid)
    {
        var input = HostTensor.Of(h);
        var (g, u, routes) = ((HostWeight)gate, (HostWeight)up, (HostRouting)routing);
        if (conventional is not null) conventional.GateUp(pool, input, g, u, routes, step.Count, HostTensor.Of(mid));
        else gateUp.Run(pool, Activations(input, step.Count, g.Columns), g, u, routes, step.Count, HostTensor.Of(mid));
    }

    public void MoeDown(Step step, Tensor mid, Weight down, Routing routing, Tensor x)
    {
        var input = HostTensor.Of(mid);
        var (d, routes) = ((HostWeight)down, (HostRouting)routing);
        if (conventional is not null) conventional.Down(pool, input, d, routes, step.Count, HostTensor.Of(x));
        else moeDown.Run(pool, Activations(input, step.Count * routing.TopK, d.Columns), d, routes, step.Count, HostTensor.Of(x));
    }

    public void Head(Step step, Tensor x, Tensor norm, float epsilon, Weight output, Tensor logits)
    {
        var h = Normalize(x, norm, epsilon, step.LogitCount, step.LogitRows);
        single[0] = output;
        project.Run(pool, h, single, HostTensor.Of(logits), step.LogitCount, accumulate: false);
    }

    public override void Dispose()
    {
        pool.Dispose();
        project.Dispose();
        attention.Dispose();
        gateUp.Dispose();
        moeDown.Dispose();
        conventional?.Dispose();
        normed?.Dispose();
        scores?.Dispose();
        rounded?.Dispose();
        base.Dispose();
    }

    private float* Normalize(Tensor x, Tensor norm, float epsilon, int count, int[]? rows)
    {
        var h = Reserve(ref normed, x.Length);
        rmsNorm.Run(pool, HostTensor.Of(x), h, HostTensor.Of(norm), (int)norm.Length, epsilon, count, rows);
        return h;
    }

    /// <summary>What an expert product of warp decode reads: the activations themselves, unless the form rounds them.</summary>
    private float* Activations(float* x, int rows, int columns)
    {
        if (form != ExpertForm.WarpBF16) return x;
        var to = Reserve(ref rounded, (long)rows * columns);
        round.Run(pool, x, to, rows, columns);
        return to;
    }

    private static string InWords(ExpertForm form) => form switch
    {
        ExpertForm.WarpBF16 => ", experts' activations BF16",
        ExpertForm.Conventional => ", conventional experts",
        ExpertForm.ConventionalMxfp8 => ", conventional experts with MXFP8 activations",
        _ => "",
    };

    // Scratch grows to the largest step once and stays.
    private static float* Reserve(ref HostTensor? tensor, long length)
    {
        if (tensor is null || tensor.Length < length)
        {
            tensor?.Dispose();
            tensor = new HostTensor(length);
        }
        return tensor.Data;
    }
}
