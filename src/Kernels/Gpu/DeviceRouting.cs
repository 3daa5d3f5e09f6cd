using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

/// <summary>
/// Routes in device memory. Those of a model's layers have ids and weights of their own, which stay until the next step; all else is of use only while
/// the layer's experts are computed, and they share it. The router's scores, their number of launches and what it chose must be shared together: a
/// score counts by the launch that it is of.
/// </summary>
internal sealed unsafe class DeviceRouting : Routing
{
    // Where each layer's routes begin.
    private const int Alignment = 256;

    // Routes of all layers are read at once as long as they are no more than that; else a layer's at a time.
    private const long MostAtOnce = 4L << 20;

    private readonly GpuDevice device;
    private readonly Scratch scratch;
    private readonly bool ownsScratch;
    private readonly long layerBytes; // from a layer's ids to the next layer's, and from its weights; 0 if it is alone

    /// <summary>Routes by themselves.</summary>
    public DeviceRouting(GpuDevice device, int tokens, int topK, int experts)
        : this(
            device, tokens, topK, experts, device.Allocate((long)tokens * topK * sizeof(int), "routes"), device.Allocate((long)tokens * topK * sizeof(float), "routes"),
            new Scratch(device, tokens, topK, experts), 0) => ownsScratch = true;

    private DeviceRouting(GpuDevice device, int tokens, int topK, int experts, long ids, long weights, Scratch scratch, long layerBytes)
        : base(tokens, topK, experts) => (this.device, Ids, Weights, this.scratch, this.layerBytes) = (device, ids, weights, scratch, layerBytes);

    /// <summary>Expert ids [T, K].</summary>
    public long Ids { get; }

    /// <summary>Expert weights [T, K].</summary>
    public long Weights { get; }

    /// <summary>Scores of all experts [T, E], each with the launch that it is of.</summary>
    public long Scores => scratch.Scores;

    /// <summary>Launches of the router so far.</summary>
    public long Launches => scratch.Launches;

    /// <summary>Expert ids [T, K], each with the launch that it is of.</summary>
    public long Chosen => scratch.Chosen;

    /// <summary>Where each expert's slots begin [E + 1]; this and the next three are described at <see cref="Groups"/>.</summary>
    public long Offsets => scratch.Offsets;

    /// <summary>Count and ids of the experts that have slots [1 + E].</summary>
    public long Active => scratch.Active;

    /// <summary>Expert, first place in <see cref="Slots"/> and the place behind the last of each expert that has slots [E, 4], and its first slots [E, 8].</summary>
    public long Runs => scratch.Runs;

    /// <summary>Slots by expert [T, K].</summary>
    public long Slots => scratch.Slots;

    /// <summary>Whether what is queued finds the slots of each expert, of these routes and not of another layer's.</summary>
    public bool Grouped
    {
        get => scratch.Grouped == this;
        set
        {
            if (value) scratch.Grouped = this;
            else if (Grouped) scratch.Grouped = null;
        }
    }

    /// <summary>Routes for each layer of a model.</summary>
    public static DeviceRouting[] OfLayers(GpuDevice device, int layers, int tokens, int topK, int experts)
    {
        var layerBytes = LayerBytes(tokens, topK);
        var ids = device.Allocate(layers * layerBytes, "routes");
        var weights = device.Allocate(layers * layerBytes, "routes");
        var scratch = new Scratch(device, tokens, topK, experts);
        var routings = new DeviceRouting[layers];
        for (var layer = 0; layer < layers; layer++)
            routings[layer] = new DeviceRouting(device, tokens, topK, experts, ids + (layer * layerBytes), weights + (layer * layerBytes), scratch, layerBytes);
        return routings;
    }

    /// <summary>Bytes that <see cref="OfLayers"/> takes.</summary>
    public static long Bytes(int layers, int tokens, int topK, int experts) =>
        (2 * layers * LayerBytes(tokens, topK)) + Scratch.Bytes(tokens, topK, experts);

    /// <summary>Reads the routes of some tokens in every layer.</summary>
    /// <param name="layers">What <see cref="OfLayers"/> gave.</param>
    /// <param name="first">The first of these tokens.</param>
    /// <param name="tokens">How many.</param>
    /// <param name="ids">Experts [layers, tokens, K].</param>
    /// <param name="weights">Their weights [layers, tokens, K].</param>
    public static void Read(Routing[] layers, int first, int tokens, Span<int> ids, Span<float> weights)
    {
        if (layers.Length == 0) return;
        var start = (DeviceRouting)layers[0];
        var (row, stride) = (tokens * start.TopK, start.layerBytes / sizeof(int));
        var span = ((layers.Length - 1) * stride) + row;
        if (start.layerBytes == 0 || span * sizeof(int) > MostAtOnce)
        {
            for (var layer = 0; layer < layers.Length; layer++) layers[layer].Read(first, ids.Slice(layer * row, row), weights.Slice(layer * row, row));
            return;
        }
        // One copy for all layers, and another for the weights: each waits for the device, and takes longer to begin than to end.
        start.CheckRange(first, ids[..row], weights[..row]);
        var offset = (long)first * start.TopK * sizeof(int);
        var words = start.scratch.Words(checked((int)span));
        fixed (int* to = words)
        {
            start.device.Download(to, start.Ids + offset, span * sizeof(int));
            for (var layer = 0; layer < layers.Length; layer++) words.AsSpan((int)(layer * stride), row).CopyTo(ids[(layer * row)..]);
            start.device.Download(to, start.Weights + offset, span * sizeof(float));
            for (var layer = 0; layer < layers.Length; layer++) new ReadOnlySpan<float>((float*)to + (layer * stride), row).CopyTo(weights[(layer * row)..]);
        }
    }

    public override int Expert(int t, int k)
    {
        int id;
        device.Download(&id, Ids + ((((long)t * TopK) + k) * sizeof(int)), sizeof(int));
        return id;
    }

    public override float WeightOf(int t, int k)
    {
        float weight;
        device.Download(&weight, Weights + ((((long)t * TopK) + k) * sizeof(float)), sizeof(float));
        return weight;
    }

    public override void CopyTo(HostRouting to, int tokens)
    {
        var pairs = tokens * TopK;
        device.Download(to.Ids, Ids, pairs * (long)sizeof(int));
        device.Download(to.Weights, Weights, pairs * (long)sizeof(float));
        to.GroupByExpert(tokens);
    }

    public override void Read(int first, Span<int> ids, Span<float> weights)
    {
        CheckRange(first, ids, weights);
        var offset = (long)first * TopK * sizeof(int);
        fixed (int* to = ids) device.Download(to, Ids + offset, ids.Length * (long)sizeof(int));
        fixed (float* to = weights) device.Download(to, Weights + offset, weights.Length * (long)sizeof(float));
    }

    /// <summary>Gives its memory back; it is of no use then.</summary>
    /// <exception cref="InvalidOperationException">It shares memory with other layers'.</exception>
    public void Free()
    {
        if (!ownsScratch) throw new InvalidOperationException("routes of a model's layers share their memory: they go with the device");
        device.Free(Ids);
        device.Free(Weights);
        scratch.Free(device);
    }

    private static long LayerBytes(int tokens, int topK) => (((long)tokens * topK * sizeof(int)) + Alignment - 1) / Alignment * Alignment;

    /// <summary>What is of use while one layer is computed.</summary>
    private sealed class Scratch(GpuDevice device, int tokens, int topK, int experts)
    {
        private int[] words = [];

        public long Scores { get; } = device.Allocate((long)tokens * experts * sizeof(long), "routes");

        public long Launches { get; } = device.Allocate(sizeof(int), "routes");

        public long Chosen { get; } = device.Allocate((long)tokens * topK * sizeof(long), "routes");

        public long Offsets { get; } = device.Allocate((experts + 1L) * sizeof(int), "routes");

        public long Active { get; } = device.Allocate((experts + 1L) * sizeof(int), "routes");

        public long Runs { get; } = device.Allocate((long)experts * Groups.RunBytes, "routes");

        public long Slots { get; } = device.Allocate((long)tokens * topK * sizeof(int), "routes");

        /// <summary>Whose slots by expert it holds.</summary>
        public DeviceRouting? Grouped { get; set; }

        public static long Bytes(int tokens, int topK, int experts) =>
            ((long)tokens * ((experts * sizeof(long)) + (topK * (sizeof(long) + sizeof(int))))) + (experts * ((2L * sizeof(int)) + Groups.RunBytes)) + (3 * sizeof(int));

        /// <summary>Memory of the host's for a copy.</summary>
        public int[] Words(int count)
        {
            if (words.Length < count) words = new int[count];
            return words;
        }

        public void Free(GpuDevice from)
        {
            foreach (var address in (ReadOnlySpan<long>)[Scores, Launches, Chosen, Offsets, Active, Runs, Slots]) from.Free(address);
        }
    }
}
