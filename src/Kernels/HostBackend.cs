using WarpDecode.Formats;

namespace WarpDecode.Kernels;

/// <summary>What the backends that compute in host memory share: weights stay in the memory map, tensors are plain arrays.</summary>
internal abstract unsafe class HostBackend
{
    private readonly List<IDisposable> owned = [];

    public Weight Load(TensorView view)
    {
        var shape = view.Shape;
        if (shape.Count is not (2 or 3)) throw new NotSupportedException($"{view}: a weight has 2 dimensions, or 3 with experts");
        var experts = shape.Count == 3 ? checked((int)shape[0]) : 1;
        return Own(new HostWeight(view, experts, checked((int)shape[^2]), checked((int)shape[^1]), Dispatch.Rows(view.Type)));
    }

    public Tensor LoadVector(TensorView view)
    {
        var tensor = Own(new HostTensor(view.Count));
        Dispatch.Rows(view.Type).Widen(view.Data, tensor.Data, checked((int)view.Count));
        return tensor;
    }

    public Tensor Upload(ReadOnlySpan<float> values)
    {
        var tensor = Own(new HostTensor(values.Length));
        values.CopyTo(new Span<float>(tensor.Data, values.Length));
        return tensor;
    }

    public Tensor Allocate(long length) => Own(new HostTensor(length));

    public Routing AllocateRouting(int tokens, int topK, int experts) => Own(new HostRouting(tokens, topK, experts));

    /// <inheritdoc cref="IBackend.KvTypes"/>
    public IReadOnlyList<WeightType> KvTypes { get; } = [WeightType.F32];

    public KvCache AllocateKvCache(in KvShape shape) =>
        shape.Type == WeightType.F32 ? Own(new HostKvCache(shape)) : throw new NotSupportedException($"keys and values in {shape.Type}: the host's backends keep them in F32");

    public void CopyPage(KvCache cache, int from, int to) => ((HostKvCache)cache).CopyPage(from, to);

    public ReadOnlySpan<float> Read(Tensor tensor, long start, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start + length, tensor.Length);
        return new ReadOnlySpan<float>(HostTensor.Of(tensor) + start, length);
    }

    public void Write(Tensor tensor, long start, ReadOnlySpan<float> values)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start + values.Length, tensor.Length);
        values.CopyTo(new Span<float>(HostTensor.Of(tensor) + start, values.Length));
    }

    public int MostTop(int vocabulary) => Math.Min(vocabulary, 128);

    public void TopLogits(Tensor logits, int rows, int vocabulary, int count, Span<TopLogit> top)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, MostTop(vocabulary));
        for (var row = 0; row < rows; row++)
            SelectTop(new ReadOnlySpan<float>(HostTensor.Of(logits) + ((long)row * vocabulary), vocabulary), top.Slice(row * count, count));
    }

    public virtual void Dispose()
    {
        foreach (var memory in owned) memory.Dispose();
        owned.Clear();
    }

    /// <summary>One pass; the best so far stand in order, and what does not beat the last of them, mostly everything, costs one comparison.</summary>
    private static void SelectTop(ReadOnlySpan<float> logits, Span<TopLogit> top)
    {
        Span<ulong> keys = stackalloc ulong[top.Length];
        keys.Clear();
        var last = float.NegativeInfinity;
        for (var id = 0; id < logits.Length; id++)
        {
            // NaN is not below anything; of equals the lower id is there already.
            if (id >= keys.Length && logits[id] <= last) continue;
            var key = TopLogit.Key(BitConverter.SingleToUInt32Bits(logits[id]), id);
            if (key <= keys[^1]) continue;
            var at = keys.Length - 1;
            for (; at > 0 && keys[at - 1] < key; at--) keys[at] = keys[at - 1];
            keys[at] = key;
            if (id >= keys.Length - 1) last = TopLogit.Of(keys[^1]).Logit;
        }
        for (var i = 0; i < keys.Length; i++) top[i] = TopLogit.Of(keys[i]);
    }

    protected T Own<T>(T memory)
        where T : IDisposable
    {
        owned.Add(memory);
        return memory;
    }
}
