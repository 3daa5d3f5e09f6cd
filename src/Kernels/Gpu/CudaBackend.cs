using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Fills <paramref name="rows"/> rows of a weight at <paramref name="address"/>, laid out as in a file.</summary>
internal delegate void WeightFiller(TensorView view, long address, long rows, long rowBytes);

/// <summary>Choices of the user.</summary>
/// <param name="ExactTiles">
/// Whether the quantized types that have one take their exact tensor-core form; else FP32 lanes, as all other types and shapes do.
/// </param>
/// <param name="Experts">How experts are computed.</param>
/// <param name="Alone">Most tokens that go alone through gate and up, and through down (<see cref="ExpertDispatch"/>); measured if left out.</param>
/// <param name="MeasuredFolder">Where measured thresholds are kept; a folder in the user's cache if left out.</param>
internal sealed record CudaOptions(
    bool ExactTiles = true, ExpertForm Experts = ExpertForm.Warp, (int GateUp, int Down)? Alone = null, string? MeasuredFolder = null);

/// <summary>
/// The GPU: weights, cache and activations in its memory, one launch an operation, one small copy in for each
/// step. A decode step of a shape seen before is one recorded graph.
/// </summary>
internal sealed unsafe partial class CudaBackend : IBackend
{
    // Rows that are laid out anew pass through this much of the device's memory.
    private const long StagingBytes = 64L << 20;

    // Rows that are put together on the host pass through this much of its memory.
    private const long PackedBytes = 16L << 20;

    // Bounds the outputs of attention's splits: more of them take more launches.
    private const long AttentionBytes = 128L << 20;

    // More tokens than that are a prompt: its steps have many shapes and gain little from a recording.
    private const int RecordedTokens = 64;

    private readonly GpuDevice device;
    private readonly WeightFiller? filler;
    private readonly bool records;
    private readonly CudaOptions options;
    private readonly Dictionary<WeightType, FormatKernels> formats = [];
    private readonly Dictionary<WeightType, TileFormatKernels?> tileFormats = [];
    private readonly Dictionary<(int Tokens, int Splits, bool Head), Recording?> graphs = [];
    private readonly Kernel<AnglesArgs> angles;
    private readonly Dictionary<DeviceWeight, DeviceWeight> inRows = [];
    private (long Address, long Bytes) digits;
    private (long Address, long Bytes) midDigits;
    private (long Address, long Bytes) routed;
    private (long Address, long Bytes) partial;
    private StepInputs? inputs;
    private long staging;
    private long attention;
    private bool recording;
    private bool disposed;

    /// <param name="device">Where to compute; disposed with the backend.</param>
    /// <param name="filler">For measurements: makes the weights on the device instead of copying them from the file.</param>
    /// <param name="records">Whether steps are recorded: not where the host computes a part of them.</param>
    /// <param name="options">Choices of the user; the defaults if left out.</param>
    public CudaBackend(GpuDevice device, WeightFiller? filler = null, bool records = true, CudaOptions? options = null)
    {
        this.device = device;
        this.options = options ?? new CudaOptions();
        this.filler = filler;
        this.records = records && device.HasGraphs;
        // The products with FP32 keys and values take bfloat16 tensor cores.
        KvTypes = device.Capability >= 80 ? [WeightType.F32, WeightType.F16, WeightType.BF16] : [WeightType.F16, WeightType.BF16];
        if (device.TimedAs is { } timedAs) measured = new ExpertCache(this.options.MeasuredFolder ?? CacheFolder.Of("experts"), timedAs);
        device.Enter();
        angles = device.Compile<AnglesArgs>(Gpu.Angles.Run);
        (AttentionWhole, AttentionWaiting) = (device.Multiprocessors, device.Multiprocessors - 1);
    }

    public string Name => "cuda";

    public string Description => options.Experts switch
    {
        ExpertForm.WarpBF16 => $"{device.Description}, experts' activations BF16",
        ExpertForm.Conventional => $"{device.Description}, conventional experts",
        ExpertForm.ConventionalMxfp8 => $"{device.Description}, conventional experts with MXFP8 activations",
        _ => device.Description,
    };

    // Rows of weights are read once for all tokens of a step, so that a large one pays; its activations take tens of megabytes.
    public int PrefillTokens => 512;

    public IReadOnlyList<WeightType> KvTypes { get; }

    public long? FreeBytes => device.FreeBytes is long.MaxValue ? null : Math.Max(0, device.FreeBytes - StagingBytes - AttentionBytes - (256L << 20));

    public long BytesOf(TensorView view) =>
        view.Shape.Count < 2 ? view.Count * sizeof(float)
        : !Dispatch.Supports(view.Type) ? view.Bytes // refused when it is loaded
        : options.ExactTiles && TilesFor(view) is { } tiles ? view.Count / (Tiles.Rows * Tiles.Columns) * tiles.RecordBytes
        : Kernels(view.Type).RowBytes(checked((int)view.Shape[^1])) * (view.Count / view.Shape[^1]);

    // Beside a loaded model; still far more than a second-level cache holds. Less memory than the least says more about that cache.
    private const long MostBandwidthBytes = 1L << 30, LeastBandwidthBytes = 256L << 20;

    public double? MeasureReadBandwidth()
    {
        device.Enter();
        if (device.TimedAs is null || device.FreeBytes / 2 < LeastBandwidthBytes) return null;
        return ReadBandwidth.Measure(device, 1, MostBandwidthBytes)[0];
    }

    /// <summary>Steps that were queued as one recorded graph, so far.</summary>
    public long ReplayedSteps { get; private set; }

    public Weight Load(TensorView view) => Load(view, tiles: options.ExactTiles);

    private DeviceWeight Load(TensorView view, bool tiles)
    {
        device.Enter();
        var shape = view.Shape;
        if (shape.Count is not (2 or 3)) throw new NotSupportedException($"{view}: a weight has 2 dimensions, or 3 with experts");
        var experts = shape.Count == 3 ? checked((int)shape[0]) : 1;
        var (rows, columns) = (checked((int)shape[^2]), checked((int)shape[^1]));
        var kernels = Kernels(view.Type);
        if (shape.Count == 3) CheckExperts(view, tiles && TilesFor(view) is not null);
        if (tiles && TilesFor(view) is { } exact)
        {
            var tiled = device.Allocate(BytesOf(view), "weights");
            LoadTiles(view, exact, (long)experts * rows, columns, tiled);
            return new DeviceWeight(view, experts, rows, columns, kernels, exact, tiled);
        }
        if (columns % kernels.UnitValues != 0) throw Unsupported($"{view}: rows of {columns} weights; the cuda backend needs a multiple of {kernels.UnitValues}");
        var address = device.Allocate(kernels.RowBytes(columns) * experts * rows, "weights");
        if (Dispatch.GpuForm(view.Type) != LaneForm.Own) LoadWidened(view, kernels, (long)experts * rows, columns, address);
        else if (kernels.Repacks) LoadRepacked(view, kernels, (long)experts * rows, columns, address);
        else Fetch(view, 0, (long)experts * rows, columns, address);
        return new DeviceWeight(view, experts, rows, columns, kernels, null, address);
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
        CheckRouter(topK, experts);
        return new DeviceRouting(device, tokens, topK, experts);
    }

    public Routing[] AllocateRoutings(int layers, int tokens, int topK, int experts)
    {
        device.Enter();
        CheckRouter(topK, experts);
        return DeviceRouting.OfLayers(device, layers, tokens, topK, experts);
    }

    public void ReadRoutings(Routing[] layers, int first, int tokens, Span<int> ids, Span<float> weights)
    {
        device.Enter();
        DeviceRouting.Read(layers, first, tokens, ids, weights);
    }

    public KvCache AllocateKvCache(in KvShape shape)
    {
        device.Enter();
        if (shape.PageTokens != Pages.Size) throw Unsupported($"pages of {shape.PageTokens} positions: the cuda backend needs {Pages.Size}");
        if (shape.Type == WeightType.F32 && device.Capability < 80)
            throw new GpuException("a cache of FP32 keys and values needs compute capability 8.0", "Use --kv-type f16, or --backend cpu.");
        return new DeviceKvCache(device, shape);
    }

    public void CopyPage(KvCache cache, int from, int to)
    {
        device.Enter();
        RopeNow();
        ((DeviceKvCache)cache).CopyPage(from, to);
    }

    public bool Begin(Step step)
    {
        device.Enter();
        if (recording) StopRecording().Dispose(); // the step before failed halfway
        (waitingCache, routedDigits, aligned) = (null, null, null);
        if (inputs is null || !inputs.Fits(step))
        {
            device.EndUploads();
            DropGraphs();
            inputs?.Dispose();
            inputs = new StepInputs(device, step);
        }
        inputs.Send(step);
        if (!IsRecorded(step)) return true;
        var shape = Shape(step);
        if (!graphs.TryGetValue(shape, out var recorded))
        {
            graphs.Add(shape, null); // the first step of a shape compiles kernels and allocates; the second is recorded
            return true;
        }
        if (recorded is null)
        {
            device.BeginCapture();
            recording = true;
            return true;
        }
        Replay(recorded);
        ReplayedSteps++;
        return false;
    }

    public void End(Step step)
    {
        RopeNow();
        if (!recording) return;
        var recorded = new Recording(StopRecording(), step.LogitCount == 0 ? null : headed, headedLength);
        graphs[Shape(step)] = recorded;
        Replay(recorded);
    }

    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        device.Enter();
        DropGraphs();
        inputs?.Dispose();
        device.FreePinned(mirror);
        device.FreePinned(topBest);
        device.Dispose();
    }

    private static GpuException Unsupported(string message) => new(message, "Use --backend cpu.");

    private static void CheckRouter(int topK, int experts)
    {
        if (experts > Gpu.Route.MaxExperts) throw Unsupported($"{experts} experts: the cuda backend's router takes at most {Gpu.Route.MaxExperts}");
        if (topK > Gpu.Route.MaxTopK) throw Unsupported($"{topK} experts a token: the cuda backend's router takes at most {Gpu.Route.MaxTopK}");
    }

    private static int Blocks(int items, int each) => (items + each - 1) / each;

    private StepInputs Inputs(Step step) =>
        inputs is { } current && current.Fits(step) ? current : throw new InvalidOperationException("operations of a step come after Begin");

    private FormatKernels Kernels(WeightType type)
    {
        // Types that are widened to the same share its kernels.
        var key = Dispatch.GpuForm(type) switch { LaneForm.Bytes => WeightType.Q8_K, LaneForm.F32 => WeightType.F32, _ => type };
        if (!formats.TryGetValue(key, out var kernels)) formats.Add(key, kernels = Dispatch.Gpu(key, device));
        return kernels;
    }

    /// <summary>Loads rows of a type that has no lanes of its own, widened by the host on the way.</summary>
    private void LoadWidened(TensorView view, FormatKernels kernels, long rows, int columns, long address)
    {
        if (filler is not null) throw Unsupported($"{view}: weights of this type are widened by the host, and cannot be made on the device");
        var (from, to) = (view.Type.RowBytes(columns), kernels.RowBytes(columns));
        if (to > StagingBytes) throw Unsupported($"{view}: a row of {to} bytes is too long for the cuda backend");
        var (rowsAtOnce, widener) = (Math.Min(rows, StagingBytes / to), Dispatch.Rows(view.Type));
        var bytes = Dispatch.GpuForm(view.Type) == LaneForm.Bytes;
        using var wide = new HostMemory(rowsAtOnce * to);
        for (var first = 0L; first < rows; first += rowsAtOnce)
        {
            var count = Math.Min(rowsAtOnce, rows - first);
            var start = first;
            Parallel.For(0L, count, i =>
            {
                var source = view.Data + ((start + i) * from);
                var target = wide.Start + (i * to);
                if (bytes) widener.Split(source, (sbyte*)target, (float*)(target + columns), columns);
                else widener.Widen(source, (float*)target, columns);
            });
            device.Upload(address + (first * to), wide.Start, count * to);
        }
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
            Fetch(view, row, args.Rows, columns, staging);
            kernels.Repack.Launch(args, Blocks((int)args.Rows * args.BlocksPerRow, Rows.Threads));
        }
    }

    private void LoadTiles(TensorView view, TileFormatKernels kernels, long rows, int columns, long address)
    {
        if (staging == 0) staging = device.Allocate(StagingBytes, "staging");
        var args = new TileRepackArgs { From = staging, RowBytes = view.Type.RowBytes(columns), PerRow = columns / Tiles.Columns };
        var rowsAtOnce = StagingBytes / args.RowBytes / Tiles.Rows * Tiles.Rows;
        if (rowsAtOnce == 0) throw Unsupported($"{view}: a row of {args.RowBytes} bytes is too long for the cuda backend");
        for (var row = 0L; row < rows; row += rowsAtOnce)
        {
            var count = Math.Min(rowsAtOnce, rows - row);
            args.Records = checked((int)(count / Tiles.Rows * args.PerRow));
            args.To = address + (row / Tiles.Rows * args.PerRow * kernels.RecordBytes);
            Fetch(view, row, count, columns, staging);
            kernels.Repack.Launch(args, Blocks(args.Records, Rows.Warps));
        }
    }

    /// <summary>Brings rows of a weight to the device as they lie in the file.</summary>
    private void Fetch(TensorView view, long row, long rows, int columns, long address)
    {
        var rowBytes = view.Type.RowBytes(columns);
        if (filler is not null)
        {
            filler(view, address, rows, rowBytes);
            return;
        }
        if (!HostWeight.IsInPlace(view))
        {
            FetchPacked(view, row, rows, rowBytes, address);
            return;
        }
        while (rows > 0) // each piece by itself: an expert, or all of them
        {
            var count = Math.Min(rows, view.PieceRows - (row % view.PieceRows));
            device.UploadMapped(address, view.Row(row), count * rowBytes);
            (row, rows, address) = (row + count, rows - count, address + (count * rowBytes));
        }
    }

    /// <summary>Rows that are made, or lie one by one in the file, go through memory of the host's.</summary>
    private void FetchPacked(TensorView view, long row, long rows, long rowBytes, long address)
    {
        var rowsAtOnce = Math.Min(rows, Math.Max(1, PackedBytes / rowBytes));
        using var memory = new HostMemory(rowsAtOnce * rowBytes);
        for (; rows > 0; rows -= rowsAtOnce)
        {
            var count = Math.Min(rows, rowsAtOnce);
            view.CopyRows(row, count, memory.Start);
            device.Upload(address, memory.Start, count * rowBytes);
            (row, address) = (row + count, address + (count * rowBytes));
        }
    }

    /// <summary>The kernels for a weight's tiles, or null if its type has none or it does not divide into tiles.</summary>
    private TileFormatKernels? TilesFor(TensorView view)
    {
        if (view.Shape[^2] % Tiles.Rows != 0 || view.Shape[^1] % Tiles.Columns != 0) return null;
        if (!tileFormats.TryGetValue(view.Type, out var kernels)) tileFormats.Add(view.Type, kernels = Dispatch.GpuTiles(view.Type, device));
        return kernels;
    }

    /// <summary>The weight in rows, for the operations that have no exact form: a second copy if it lies in tiles.</summary>
    private DeviceWeight InRows(Weight weight)
    {
        var w = (DeviceWeight)weight;
        if (w.Tiles is null) return w;
        if (!inRows.TryGetValue(w, out var copy)) inRows.Add(w, copy = Load(w.View, tiles: false));
        return copy;
    }

    /// <summary>Memory of the step's own of at least that size, the same as long as it suffices.</summary>
    private long Room(ref (long Address, long Bytes) room, long bytes, string purpose)
    {
        if (room.Bytes < bytes)
        {
            if (room.Bytes > 0)
            {
                DropGraphs(); // they know the old address
                device.Synchronize();
                device.Free(room.Address);
            }
            room = (device.Allocate(bytes, purpose), bytes);
        }
        return room.Address;
    }

    private Graph StopRecording()
    {
        recording = false;
        return device.EndCapture();
    }

    /// <summary>One token of each sequence, and the head of all of them in order or of none.</summary>
    private bool IsRecorded(Step step)
    {
        if (!records || step.Count > RecordedTokens || !step.IsDecode) return false;
        if (step.LogitCount == 0) return true;
        if (step.LogitCount != step.Count) return false;
        for (var i = 0; i < step.Count; i++)
        {
            if (step.LogitRows[i] != i) return false;
        }
        return true;
    }

    private static (int Tokens, int Splits, bool Head) Shape(Step step) => (step.Count, Splits(step), step.LogitCount > 0);

    private void Replay(Recording recorded)
    {
        recorded.Graph.Launch();
        if (recorded.Headed is { } logits) (headed, headedLength, mirrored) = (logits, recorded.HeadedLength, false);
    }

    private void DropGraphs()
    {
        if (graphs.Count == 0) return;
        device.Synchronize();
        foreach (var recorded in graphs.Values) recorded?.Graph.Dispose();
        graphs.Clear();
    }

    /// <summary>A recorded step, and which logits it leaves.</summary>
    private sealed record Recording(Graph Graph, Tensor? Headed, long HeadedLength);
}
