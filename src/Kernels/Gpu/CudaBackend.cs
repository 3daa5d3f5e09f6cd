using System.Numerics;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Fills <paramref name="rows"/> rows of a weight at <paramref name="address"/>, in its lane format's layout.</summary>
internal delegate void WeightFiller(TensorView view, long address, long rows, long rowBytes);

/// <summary>
/// The GPU: weights, cache and activations in its memory, one launch an operation (two for attention), one small copy in for each
/// step. A decode step of a shape seen before is one recorded graph.
/// </summary>
internal sealed unsafe class CudaBackend : IBackend
{
    // Rows that are laid out anew pass through this much of the device's memory.
    private const long StagingBytes = 64L << 20;

    // Bounds the outputs of attention's splits: more of them take more launches.
    private const long AttentionBytes = 128L << 20;

    // More tokens than that are a prompt: its steps have many shapes and gain little from a recording.
    private const int RecordedTokens = 64;

    private readonly GpuDevice device;
    private readonly WeightFiller? filler;
    private readonly Dictionary<WeightType, FormatKernels> formats = [];
    private readonly Dictionary<(int Tokens, int Splits), Graph?> graphs = [];
    private readonly Kernel<AnglesArgs> angles;
    private readonly Kernel<RopeArgs> rope;
    private readonly Kernel<AttentionArgs> partialAttention;
    private readonly Kernel<AttentionArgs> combinedAttention;
    private StepInputs? inputs;
    private long staging;
    private long attention;
    private bool recording;
    private bool disposed;

    // Logits of the last head, mirrored in pinned memory at the first reading.
    private byte* mirror;
    private long mirrorBytes;
    private Tensor? headed;
    private long headedLength;
    private bool mirrored;

    /// <param name="device">Where to compute; disposed with the backend.</param>
    /// <param name="filler">For measurements: makes the weights on the device instead of copying them from the file.</param>
    public CudaBackend(GpuDevice device, WeightFiller? filler = null)
    {
        this.device = device;
        this.filler = filler;
        device.Enter();
        angles = device.Compile<AnglesArgs>(Gpu.Angles.Run, Rows.Bounds);
        rope = device.Compile<RopeArgs>(Rope.Run, Rows.Bounds);
        partialAttention = device.Compile<AttentionArgs>(Gpu.Attention.Partial, Rows.Bounds);
        combinedAttention = device.Compile<AttentionArgs>(Gpu.Attention.Combine, Rows.Bounds);
    }

    public string Name => "cuda";

    public string Description => device.Description;

    public long? FreeBytes => device.FreeBytes is long.MaxValue ? null : Math.Max(0, device.FreeBytes - StagingBytes - AttentionBytes - (256L << 20));

    /// <summary>Steps that were queued as one recorded graph, so far.</summary>
    public long ReplayedSteps { get; private set; }

    public Weight Load(TensorView view)
    {
        device.Enter();
        var shape = view.Shape;
        if (shape.Count is not (2 or 3)) throw new NotSupportedException($"{view}: a weight has 2 dimensions, or 3 with experts");
        var experts = shape.Count == 3 ? checked((int)shape[0]) : 1;
        var (rows, columns) = (checked((int)shape[^2]), checked((int)shape[^1]));
        var kernels = Kernels(view.Type);
        if (columns % kernels.UnitValues != 0) throw Unsupported($"{view}: rows of {columns} weights; the cuda backend needs a multiple of {kernels.UnitValues}");
        var address = device.Allocate(kernels.RowBytes(columns) * experts * rows, "weights");
        if (filler is not null) filler(view, address, (long)experts * rows, kernels.RowBytes(columns));
        else if (kernels.Repacks) LoadRepacked(view, kernels, (long)experts * rows, columns, address);
        else device.UploadMapped(address, view.Data, view.Bytes);
        return new DeviceWeight(view, experts, rows, columns, kernels, address);
    }

    public Tensor LoadVector(TensorView view)
    {
        using var host = new HostTensor(view.Count);
        Dispatch.Rows(view.Type).Widen(view.Data, host.Data, checked((int)view.Count));
        return Upload(new ReadOnlySpan<float>(host.Data, checked((int)view.Count)));
    }

    public Tensor Upload(ReadOnlySpan<float> values)
    {
        device.Enter();
        var tensor = new DeviceTensor(device, values.Length, "weights");
        fixed (float* from = values) device.Upload(tensor.Address, from, values.Length * (long)sizeof(float));
        return tensor;
    }

    public Tensor Allocate(long length)
    {
        device.Enter();
        return new DeviceTensor(device, length, "activations");
    }

    public Routing AllocateRouting(int tokens, int topK, int experts)
    {
        device.Enter();
        if (experts > Gpu.Route.MaxExperts) throw Unsupported($"{experts} experts: the cuda backend's router takes at most {Gpu.Route.MaxExperts}");
        return new DeviceRouting(device, tokens, topK, experts);
    }

    public KvCache AllocateKvCache(in KvShape shape)
    {
        device.Enter();
        if (shape.PageTokens % 32 != 0) throw Unsupported($"pages of {shape.PageTokens} positions: the cuda backend needs a multiple of 32");
        return new DeviceKvCache(device, shape);
    }

    public void CopyPage(KvCache cache, int from, int to)
    {
        device.Enter();
        ((DeviceKvCache)cache).CopyPage(from, to);
    }

    public bool Begin(Step step)
    {
        device.Enter();
        if (recording) StopRecording().Dispose(); // the step before failed halfway
        if (inputs is null || !inputs.Fits(step))
        {
            DropGraphs();
            inputs?.Dispose();
            inputs = new StepInputs(device, step);
        }
        inputs.Send(step);
        if (!device.HasGraphs || step.Count > RecordedTokens || step.SequenceCount != step.Count) return true;
        var shape = (step.Count, Splits(step));
        if (!graphs.TryGetValue(shape, out var graph))
        {
            graphs.Add(shape, null); // the first step of a shape compiles kernels and allocates; the second is recorded
            return true;
        }
        if (graph is null)
        {
            device.BeginCapture();
            recording = true;
            return true;
        }
        graph.Launch();
        ReplayedSteps++;
        return false;
    }

    public void End(Step step)
    {
        if (!recording) return;
        var graph = StopRecording();
        graphs[(step.Count, Splits(step))] = graph;
        graph.Launch();
    }

    public void Embed(Step step, Weight table, Tensor x)
    {
        var w = (DeviceWeight)table;
        w.Kernels.Embed.Launch(
            new EmbedArgs { Table = w.Address, Tokens = Inputs(step).Tokens, X = DeviceTensor.Of(x), RowBytes = w.RowBytes, Columns = w.Columns },
            step.Count, Blocks(w.Columns / w.Kernels.UnitValues, Rows.Threads));
    }

    public void Angles(Step step, Tensor frequencies, Tensor angles)
    {
        var args = new AnglesArgs
        {
            Positions = Inputs(step).Positions,
            Frequencies = DeviceTensor.Of(frequencies),
            Angles = DeviceTensor.Of(angles),
            Count = (int)frequencies.Length,
            Tokens = step.Count,
        };
        this.angles.Launch(args, Blocks(args.Tokens * args.Count, Rows.Threads));
    }

    public void NormProject(Step step, Tensor x, Tensor norm, float epsilon, ReadOnlySpan<Weight> weights, Tensor y)
    {
        var stride = 0;
        foreach (var weight in weights) stride += weight.Rows;
        var args = new ProjectArgs
        {
            X = DeviceTensor.Of(x),
            Norm = DeviceTensor.Of(norm),
            Y = DeviceTensor.Of(y),
            Stride = stride,
            Tokens = step.Count,
            Epsilon = epsilon,
        };
        // One launch for neighbours of the same type, three at most.
        while (weights.Length > 0)
        {
            var count = 1;
            while (count < weights.Length && count < 3 && weights[count].Type == weights[0].Type) count++;
            var first = (DeviceWeight)weights[0];
            args.W0 = first.Address;
            args.Rows0 = first.Rows;
            (args.W1, args.Rows1) = count > 1 ? (((DeviceWeight)weights[1]).Address, weights[1].Rows) : (0, 0);
            (args.W2, args.Rows2) = count > 2 ? (((DeviceWeight)weights[2]).Address, weights[2].Rows) : (0, 0);
            Project(first, args, norm: true);
            args.Y += (args.Rows0 + args.Rows1 + args.Rows2) * (long)sizeof(float);
            weights = weights[count..];
        }
    }

    public void RopeAndStore(
        Step step, Tensor qkv, Tensor? qNorm, Tensor? kNorm, float epsilon, Tensor angles, in AttentionShape shape, KvCache cache, int layer)
    {
        var args = new RopeArgs
        {
            Pages = PagesOf(step, cache, layer),
            Qkv = DeviceTensor.Of(qkv),
            QNorm = qNorm is null ? 0 : DeviceTensor.Of(qNorm),
            KNorm = kNorm is null ? 0 : DeviceTensor.Of(kNorm),
            Angles = DeviceTensor.Of(angles),
            Heads = shape.Heads,
            KvHeads = shape.KvHeads,
            HeadDim = shape.HeadDim,
            Epsilon = epsilon,
        };
        rope.Launch(args, step.Count, Blocks(shape.Heads + (2 * shape.KvHeads), Rows.Warps));
    }

    public void Attention(Step step, Tensor qkv, in AttentionShape shape, KvCache cache, int layer, Tensor y)
    {
        var group = shape.Heads / shape.KvHeads;
        if (group > Gpu.Attention.MaxGroup || group * shape.HeadDim > Gpu.Attention.MaxGroupValues || shape.HeadDim > Gpu.Attention.MaxHeadDim || shape.HeadDim % 4 != 0)
        {
            throw Unsupported($"{shape.Heads} heads of {shape.HeadDim} over {shape.KvHeads}: the cuda backend takes heads of at most {Gpu.Attention.MaxHeadDim} "
                + $"in fours, at most {Gpu.Attention.MaxGroup} a group and {Gpu.Attention.MaxGroupValues} values a group");
        }
        var splits = Splits(step);
        var perToken = (long)shape.Heads * splits * (shape.HeadDim + 2) * sizeof(float);
        var tokensAtOnce = (int)Math.Min(step.Count, AttentionBytes / perToken);
        if (tokensAtOnce == 0) throw Unsupported($"attention over {splits * Gpu.Attention.Split} positions: more than the cuda backend has room for");
        if (attention == 0) attention = device.Allocate(AttentionBytes, "attention");
        var args = new AttentionArgs
        {
            Pages = PagesOf(step, cache, layer),
            Qkv = DeviceTensor.Of(qkv),
            Partials = attention,
            Statistics = attention + ((long)tokensAtOnce * shape.Heads * splits * shape.HeadDim * sizeof(float)),
            Y = DeviceTensor.Of(y),
            Heads = shape.Heads,
            KvHeads = shape.KvHeads,
            HeadDim = shape.HeadDim,
            Splits = splits,
            Scale = shape.Scale,
        };
        for (; args.FirstToken < step.Count; args.FirstToken += tokensAtOnce)
        {
            var count = Math.Min(tokensAtOnce, step.Count - args.FirstToken);
            partialAttention.Launch(args, splits, shape.KvHeads, count);
            combinedAttention.Launch(args, shape.Heads, count);
        }
    }

    public void ProjectAdd(Step step, Tensor y, Weight weight, Tensor x)
    {
        var w = (DeviceWeight)weight;
        var args = new ProjectArgs { W0 = w.Address, Rows0 = w.Rows, X = DeviceTensor.Of(y), Y = DeviceTensor.Of(x), Stride = w.Rows, Tokens = step.Count };
        Project(w, args, norm: false);
    }

    public void Route(Step step, Tensor x, Tensor norm, float epsilon, Weight router, in RouterSpec spec, Tensor h, Routing routing)
    {
        var (w, routes) = ((DeviceWeight)router, (DeviceRouting)routing);
        var args = new RouteArgs
        {
            X = DeviceTensor.Of(x),
            Norm = DeviceTensor.Of(norm),
            Router = w.Address,
            H = DeviceTensor.Of(h),
            Scores = routes.Scores,
            Arrived = routes.Arrived,
            Ids = routes.Ids,
            Weights = routes.Weights,
            RowBytes = w.RowBytes,
            Columns = w.Columns,
            Experts = w.Rows,
            TopK = spec.TopK,
            Normalize = spec.Normalize ? 1 : 0,
            Epsilon = epsilon,
        };
        w.Kernels.Route.Launch(args, step.Count, Blocks(w.Rows, Rows.Warps));
    }

    public void MoeGateUp(Step step, Tensor h, Weight gate, Weight up, Routing routing, Tensor mid)
    {
        var (g, u) = ((DeviceWeight)gate, (DeviceWeight)up);
        if (g.Type != u.Type) throw Unsupported($"{gate.Name} is {gate.Type} and {up.Name} {up.Type}: the cuda backend needs both of one type");
        var args = new MoeGateUpArgs
        {
            Gate = g.Address,
            Up = u.Address,
            X = DeviceTensor.Of(h),
            Ids = ((DeviceRouting)routing).Ids,
            Mid = DeviceTensor.Of(mid),
            RowBytes = g.RowBytes,
            Columns = g.Columns,
            Ff = g.Rows,
            TopK = routing.TopK,
        };
        g.Kernels.GateUp.Launch(args, step.Count * routing.TopK, Blocks(g.Rows, Rows.Warps));
    }

    public void MoeDown(Step step, Tensor mid, Weight down, Routing routing, Tensor x)
    {
        var (w, routes) = ((DeviceWeight)down, (DeviceRouting)routing);
        var perSlot = w.Columns / w.Kernels.UnitValues;
        if ((long)perSlot * perSlot * routes.TopK >= 1L << 32) throw Unsupported($"{down.Name}: rows of {down.Columns} weights are too long for the cuda backend");
        var args = new MoeDownArgs
        {
            Down = w.Address,
            Mid = DeviceTensor.Of(mid),
            Ids = routes.Ids,
            Weights = routes.Weights,
            X = DeviceTensor.Of(x),
            RowBytes = w.RowBytes,
            Magic = ((1L << 32) / perSlot) + 1,
            Columns = w.Columns,
            Rows = w.Rows,
            TopK = routes.TopK,
        };
        w.Kernels.Down.Launch(args, step.Count, Blocks(w.Rows, Rows.Warps));
    }

    public void Head(Step step, Tensor x, Tensor norm, float epsilon, Weight output, Tensor logits)
    {
        device.Enter();
        var w = (DeviceWeight)output;
        var rows = step.LogitRows.AsSpan(0, step.LogitCount);
        var args = new ProjectArgs
        {
            W0 = w.Address,
            Rows0 = w.Rows,
            X = DeviceTensor.Of(x),
            Norm = DeviceTensor.Of(norm),
            Y = DeviceTensor.Of(logits),
            Stride = w.Rows,
            Tokens = rows.Length,
            Epsilon = epsilon,
        };
        if (rows.Length == 0) return;
        if (rows[^1] - rows[0] == rows.Length - 1) args.X += (long)rows[0] * w.Columns * sizeof(float); // they follow each other
        else args.Selected = Inputs(step).Select(rows);
        Project(w, args, norm: true);
        (headed, headedLength, mirrored) = (logits, (long)rows.Length * w.Rows, false);
    }

    public ReadOnlySpan<float> Read(Tensor tensor, long start, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start + length, tensor.Length);
        device.Enter();
        if (tensor == headed && start + length <= headedLength)
        {
            // All rows of logits at once: the next calls are for the other rows.
            if (!mirrored) Mirror(tensor, 0, headedLength);
            mirrored = true;
            return new ReadOnlySpan<float>((float*)mirror + start, length);
        }
        mirrored = false;
        Mirror(tensor, start, length);
        return new ReadOnlySpan<float>(mirror, length);
    }

    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        device.Enter();
        DropGraphs();
        inputs?.Dispose();
        device.FreePinned(mirror);
        device.Dispose();
    }

    private static GpuException Unsupported(string message) => new(message, "Use --backend cpu.");

    private static int Blocks(int items, int each) => (items + each - 1) / each;

    /// <summary>Splits that the longest of the step's contexts has, to the next power of two: steps of growing contexts share a recording.</summary>
    private static int Splits(Step step)
    {
        var longest = 0;
        for (var t = 0; t < step.Count; t++) longest = Math.Max(longest, step.Positions[t]);
        return (int)BitOperations.RoundUpToPowerOf2((uint)(longest / Gpu.Attention.Split) + 1);
    }

    private StepInputs Inputs(Step step) =>
        inputs is { } current && current.Fits(step) ? current : throw new InvalidOperationException("operations of a step come after Begin");

    private void Project(DeviceWeight weight, ProjectArgs args, bool norm)
    {
        args.RowBytes = weight.RowBytes;
        args.Columns = weight.Columns;
        var many = args.Tokens > 1;
        var pairs = ((args.Rows0 + 1) / 2) + ((args.Rows1 + 1) / 2) + ((args.Rows2 + 1) / 2);
        weight.Kernels.Project(norm, many).Launch(args, many ? Blocks(args.Tokens, Gpu.Project.ManyTokens) : args.Tokens, Blocks(pairs, Rows.Warps));
    }

    private Pages PagesOf(Step step, KvCache cache, int layer)
    {
        var (kv, sent) = ((DeviceKvCache)cache, Inputs(step));
        return new Pages
        {
            Positions = sent.Positions,
            Sequences = sent.Sequences,
            Tables = sent.Tables,
            Keys = kv.Keys(layer),
            Values = kv.Values(layer),
            PerSequence = step.PagesPerSequence,
            Tokens = kv.Shape.PageTokens,
        };
    }

    private FormatKernels Kernels(WeightType type)
    {
        if (!formats.TryGetValue(type, out var kernels)) formats.Add(type, kernels = Dispatch.Gpu(type, device));
        return kernels;
    }

    private void LoadRepacked(TensorView view, FormatKernels kernels, long rows, int columns, long address)
    {
        if (staging == 0) staging = device.Allocate(StagingBytes, "staging");
        var args = new RepackArgs
        {
            From = staging,
            FromRowBytes = view.Type.RowBytes(columns),
            ToRowBytes = kernels.RowBytes(columns),
            BlocksPerRow = columns / view.Type.BlockValues(),
            Columns = columns,
        };
        var rowsAtOnce = Math.Min(StagingBytes / args.FromRowBytes, int.MaxValue / args.BlocksPerRow - Rows.Threads);
        if (rowsAtOnce == 0) throw Unsupported($"{view}: a row of {args.FromRowBytes} bytes is too long for the cuda backend");
        for (var row = 0L; row < rows; row += rowsAtOnce)
        {
            args.Rows = Math.Min(rowsAtOnce, rows - row);
            args.To = address + (row * args.ToRowBytes);
            device.UploadMapped(staging, view.Data + (row * args.FromRowBytes), args.Rows * args.FromRowBytes);
            kernels.Repack.Launch(args, Blocks((int)args.Rows * args.BlocksPerRow, Rows.Threads));
        }
    }

    private Graph StopRecording()
    {
        recording = false;
        return device.EndCapture();
    }

    private void DropGraphs()
    {
        if (graphs.Count == 0) return;
        device.Synchronize();
        foreach (var graph in graphs.Values) graph?.Dispose();
        graphs.Clear();
    }

    private void Mirror(Tensor tensor, long start, long length)
    {
        var bytes = length * sizeof(float);
        if (bytes > mirrorBytes)
        {
            device.FreePinned(mirror);
            mirror = device.AllocatePinned(bytes);
            mirrorBytes = bytes;
        }
        device.Download(mirror, DeviceTensor.Of(tensor) + (start * sizeof(float)), bytes);
    }
}
