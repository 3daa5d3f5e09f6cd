using System.Runtime.InteropServices;
using WarpDecode.Formats;

namespace WarpDecode.Kernels;

/// <summary>
/// A device and the host together, for models that are larger than the device's memory. Each operation runs where its weights are,
/// attention where its layer's cache is; what it reads is copied there first, if it was written last on the other side.
/// </summary>
/// <param name="device">A backend with memory of its own, which must not record steps; disposed with this one.</param>
/// <param name="host">A backend in host memory; disposed with this one.</param>
/// <param name="onDevice">Whether a weight goes to the device.</param>
/// <param name="deviceLayers">Layers from the first on whose cache, and so attention, is on the device.</param>
internal sealed class SplitBackend(IBackend device, IBackend host, Func<TensorView, bool> onDevice, int deviceLayers) : IBackend
{
    public string Name => $"{device.Name}+{host.Name}";

    public string Description => $"{device.Description}; {host.Description}";

    /// <summary>On the device; the host's layers keep their own.</summary>
    public IReadOnlyList<WeightType> KvTypes => device.KvTypes;

    public long? FreeBytes => device.FreeBytes;

    public long BytesOf(TensorView view) => device.BytesOf(view);

    public Weight Load(TensorView view) => onDevice(view) ? device.Load(view) : host.Load(view);

    // Vectors are small: both sides have them.
    public Tensor LoadVector(TensorView view) => new SplitTensor(device.LoadVector(view), host.LoadVector(view));

    public Tensor Upload(ReadOnlySpan<float> values) => new SplitTensor(device.Upload(values), host.Upload(values));

    public Tensor Allocate(long length) => new SplitTensor(device.Allocate(length), host.Allocate(length));

    public Routing AllocateRouting(int tokens, int topK, int experts) =>
        new SplitRouting(device.AllocateRouting(tokens, topK, experts), (HostRouting)host.AllocateRouting(tokens, topK, experts));

    public Routing[] AllocateRoutings(int layers, int tokens, int topK, int experts)
    {
        var there = device.AllocateRoutings(layers, tokens, topK, experts);
        var here = host.AllocateRoutings(layers, tokens, topK, experts);
        return [.. there.Zip(here, (d, h) => new SplitRouting(d, (HostRouting)h))];
    }

    public KvCache AllocateKvCache(in KvShape shape) => new SplitKvCache(
        shape,
        deviceLayers == 0 ? null : device.AllocateKvCache(shape with { Layers = deviceLayers }),
        deviceLayers == shape.Layers ? null : host.AllocateKvCache(shape with { Layers = shape.Layers - deviceLayers, Type = host.KvTypes[0] }));

    public string? Experts => device.Experts;

    public void TuneExperts(ReadOnlySpan<ExpertWeights> layers, int topK, Tensor h, Tensor mid, Tensor x, Action measuring, CancellationToken cancellation)
    {
        var there = new List<ExpertWeights>();
        foreach (var layer in layers)
        {
            if (SideOf(layer.Gate) == device) there.Add(layer);
        }
        if (there.Count > 0) device.TuneExperts(CollectionsMarshal.AsSpan(there), topK, Output(device, h), Output(device, mid), Output(device, x), measuring, cancellation);
    }

    public bool Begin(Step step) => device.Begin(step) && host.Begin(step);

    public void End(Step step)
    {
        device.End(step);
        host.End(step);
    }

    public void CopyPage(KvCache cache, int from, int to)
    {
        var both = (SplitKvCache)cache;
        if (both.Device is not null) device.CopyPage(both.Device, from, to);
        if (both.Host is not null) host.CopyPage(both.Host, from, to);
    }

    public void Embed(Step step, Weight table, Tensor x)
    {
        var side = SideOf(table);
        side.Embed(step, table, Output(side, x));
    }

    public void Angles(Step step, Tensor frequencies, Tensor angles)
    {
        // Cheaper than a copy: both sides compute them.
        var both = (SplitTensor)angles;
        device.Angles(step, ((SplitTensor)frequencies).Device, both.Device);
        host.Angles(step, ((SplitTensor)frequencies).Host, both.Host);
    }

    public void NormProject(Step step, Tensor x, Tensor norm, float epsilon, ReadOnlySpan<Weight> weights, Tensor y)
    {
        var side = SideOf(weights[0]);
        side.NormProject(step, Input(side, x, step.Count * norm.Length), Of(side, norm), epsilon, weights, Output(side, y));
    }

    public void RopeAndStore(
        Step step, Tensor qkv, Tensor? qNorm, Tensor? kNorm, float epsilon, Tensor angles, in AttentionShape shape, KvCache cache, int layer)
    {
        var side = SideOf(layer);
        side.RopeAndStore(
            step, Changed(side, qkv, (long)step.Count * shape.QkvSize), qNorm is null ? null : Of(side, qNorm), kNorm is null ? null : Of(side, kNorm), epsilon,
            Of(side, angles), shape, CacheOf(cache, layer), Within(layer));
    }

    public void Attention(Step step, Tensor qkv, in AttentionShape shape, KvCache cache, int layer, Tensor y)
    {
        var side = SideOf(layer);
        side.Attention(step, Input(side, qkv, (long)step.Count * shape.QkvSize), shape, CacheOf(cache, layer), Within(layer), Output(side, y));
    }

    public void ProjectAdd(Step step, Tensor y, Weight weight, Tensor x)
    {
        var side = SideOf(weight);
        side.ProjectAdd(step, Input(side, y, (long)step.Count * weight.Columns), weight, Changed(side, x, (long)step.Count * weight.Rows));
    }

    public void Route(Step step, Tensor x, Tensor norm, float epsilon, Weight router, in RouterSpec spec, Tensor h, Routing routing)
    {
        var side = SideOf(router);
        var both = (SplitRouting)routing;
        both.OnHost = side == host;
        side.Route(step, Input(side, x, step.Count * norm.Length), Of(side, norm), epsilon, router, spec, Output(side, h), both.OnHost ? both.Host : both.Device);
    }

    public void MoeGateUp(Step step, Tensor h, Weight gate, Weight up, Routing routing, Tensor mid)
    {
        var side = SideOf(gate);
        side.MoeGateUp(step, Input(side, h, (long)step.Count * gate.Columns), gate, up, RoutesOf(side, routing, step.Count), Output(side, mid));
    }

    public void MoeDown(Step step, Tensor mid, Weight down, Routing routing, Tensor x)
    {
        var side = SideOf(down);
        side.MoeDown(
            step, Input(side, mid, (long)step.Count * routing.TopK * down.Columns), down, RoutesOf(side, routing, step.Count), Changed(side, x, (long)step.Count * down.Rows));
    }

    public void Head(Step step, Tensor x, Tensor norm, float epsilon, Weight output, Tensor logits)
    {
        var side = SideOf(output);
        side.Head(step, Input(side, x, step.Count * norm.Length), Of(side, norm), epsilon, output, Output(side, logits));
    }

    public int MostTop(int vocabulary) => Math.Min(device.MostTop(vocabulary), host.MostTop(vocabulary));

    public void TopLogits(Tensor logits, int rows, int vocabulary, int count, Span<TopLogit> top)
    {
        var side = Latest(logits);
        side.TopLogits(Of(side, logits), rows, vocabulary, count, top);
    }

    public ReadOnlySpan<float> Read(Tensor tensor, long start, int length)
    {
        var side = Latest(tensor);
        return side.Read(Of(side, tensor), start, length);
    }

    public void Write(Tensor tensor, long start, ReadOnlySpan<float> values)
    {
        var both = (SplitTensor)tensor;
        device.Write(both.Device, start, values);
        host.Write(both.Host, start, values);
    }

    public void Dispose()
    {
        device.Dispose();
        host.Dispose();
    }

    private IBackend SideOf(Weight weight) => weight is HostWeight ? host : device;

    private IBackend SideOf(int layer) => layer < deviceLayers ? device : host;

    private int Within(int layer) => layer < deviceLayers ? layer : layer - deviceLayers;

    private KvCache CacheOf(KvCache cache, int layer) => layer < deviceLayers ? ((SplitKvCache)cache).Device! : ((SplitKvCache)cache).Host!;

    private IBackend Latest(Tensor tensor) => ((SplitTensor)tensor).OnHost ? host : device;

    private Tensor Of(IBackend side, Tensor tensor) => side == host ? ((SplitTensor)tensor).Host : ((SplitTensor)tensor).Device;

    /// <summary>The first <paramref name="count"/> values of a tensor on a side, which reads them.</summary>
    private Tensor Input(IBackend side, Tensor tensor, long count)
    {
        var both = (SplitTensor)tensor;
        if (side == host && !both.OnHost)
        {
            host.Write(both.Host, 0, device.Read(both.Device, 0, (int)count));
            both.OnHost = true;
        }
        else if (side == device && !both.OnDevice)
        {
            device.Write(both.Device, 0, host.Read(both.Host, 0, (int)count));
            both.OnDevice = true;
        }
        return Of(side, tensor);
    }

    /// <summary>A tensor on a side, which writes all of it that the step uses.</summary>
    private Tensor Output(IBackend side, Tensor tensor)
    {
        var both = (SplitTensor)tensor;
        (both.OnHost, both.OnDevice) = (side == host, side == device);
        return Of(side, tensor);
    }

    /// <summary>The first <paramref name="count"/> values of a tensor on a side, which reads and writes them.</summary>
    private Tensor Changed(IBackend side, Tensor tensor, long count)
    {
        Input(side, tensor, count);
        return Output(side, tensor);
    }

    private Routing RoutesOf(IBackend side, Routing routing, int tokens)
    {
        var both = (SplitRouting)routing;
        if (side == device) return both.Device; // experts on the device have their router there
        if (!both.OnHost) both.Device.CopyTo(both.Host, tokens);
        both.OnHost = true;
        return both.Host;
    }

    /// <summary>A tensor on both sides, and which of the two has what was written last.</summary>
    private sealed class SplitTensor(Tensor device, Tensor host) : Tensor(host.Length)
    {
        public Tensor Device { get; } = device;

        public Tensor Host { get; } = host;

        public bool OnDevice { get; set; } = true;

        public bool OnHost { get; set; } = true;
    }

    private sealed class SplitRouting(Routing device, HostRouting host) : Routing(host.Tokens, host.TopK, host.Experts)
    {
        public Routing Device { get; } = device;

        public HostRouting Host { get; } = host;

        public bool OnHost { get; set; }

        public override int Expert(int t, int k) => OnHost ? Host.Expert(t, k) : Device.Expert(t, k);

        public override float WeightOf(int t, int k) => OnHost ? Host.WeightOf(t, k) : Device.WeightOf(t, k);

        public override void CopyTo(HostRouting to, int tokens) => (OnHost ? Host : Device).CopyTo(to, tokens);

        public override void Read(int first, Span<int> ids, Span<float> weights) => (OnHost ? Host : Device).Read(first, ids, weights);
    }

    private sealed class SplitKvCache(in KvShape shape, KvCache? device, KvCache? host) : KvCache(shape)
    {
        public KvCache? Device { get; } = device;

        public KvCache? Host { get; } = host;

        public override void Dispose()
        {
            Device?.Dispose();
            Host?.Dispose();
        }
    }
}
