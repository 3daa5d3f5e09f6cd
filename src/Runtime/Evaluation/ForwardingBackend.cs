using WarpDecode.Formats;
using WarpDecode.Kernels;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>A backend that hands every operation on to another: for looking at a forward pass from outside.</summary>
/// <param name="inner">The other.</param>
/// <param name="owns">Whether it is disposed with this one.</param>
internal abstract class ForwardingBackend(IBackend inner, bool owns = true) : IBackend
{
    public string Name => inner.Name;

    public string Description => inner.Description;

    public int PrefillTokens => inner.PrefillTokens;

    public IReadOnlyList<WeightType> KvTypes => inner.KvTypes;

    public long? FreeBytes => inner.FreeBytes;

    protected IBackend Inner => inner;

    public Weight Load(TensorView view) => inner.Load(view);

    public Tensor LoadVector(TensorView view) => inner.LoadVector(view);

    public Tensor Upload(ReadOnlySpan<float> values) => inner.Upload(values);

    public Tensor Allocate(long length) => inner.Allocate(length);

    public Routing AllocateRouting(int tokens, int topK, int experts) => inner.AllocateRouting(tokens, topK, experts);

    public Routing[] AllocateRoutings(int layers, int tokens, int topK, int experts) => inner.AllocateRoutings(layers, tokens, topK, experts);

    public void ReadRoutings(Routing[] layers, int first, int tokens, Span<int> ids, Span<float> weights) => inner.ReadRoutings(layers, first, tokens, ids, weights);

    public KvCache AllocateKvCache(in KvShape shape) => inner.AllocateKvCache(shape);

    public long BytesOf(TensorView view) => inner.BytesOf(view);

    public virtual bool Begin(Step step) => inner.Begin(step);

    public void End(Step step) => inner.End(step);

    public void CopyPage(KvCache cache, int from, int to) => inner.CopyPage(cache, from, to);

    public virtual void Embed(Step step, Weight table, Tensor x) => inner.Embed(step, table, x);

    public virtual void Angles(Step step, Tensor frequencies, Tensor angles) => inner.Angles(step, frequencies, angles);

    public virtual void NormProject(Step step, Tensor x, Tensor norm, float epsilon, ReadOnlySpan<Weight> weights, Tensor y) =>
        inner.NormProject(step, x, norm, epsilon, weights, y);

    public virtual void RopeAndStore(
        Step step, Tensor qkv, Tensor? qNorm, Tensor? kNorm, float epsilon, Tensor angles, in AttentionShape shape, KvCache cache, int layer) =>
        inner.RopeAndStore(step, qkv, qNorm, kNorm, epsilon, angles, shape, cache, layer);

    public virtual void Attention(Step step, Tensor qkv, in AttentionShape shape, KvCache cache, int layer, Tensor y) =>
        inner.Attention(step, qkv, shape, cache, layer, y);

    public virtual void ProjectAdd(Step step, Tensor y, Weight weight, Tensor x) => inner.ProjectAdd(step, y, weight, x);

    public virtual void Route(Step step, Tensor x, Tensor norm, float epsilon, Weight router, in RouterSpec spec, Tensor h, Routing routing) =>
        inner.Route(step, x, norm, epsilon, router, spec, h, routing);

    public virtual void MoeGateUp(Step step, Tensor h, Weight gate, Weight up, Routing routing, Tensor mid) =>
        inner.MoeGateUp(step, h, gate, up, routing, mid);

    public virtual void MoeDown(Step step, Tensor mid, Weight down, Routing routing, Tensor x) => inner.MoeDown(step, mid, down, routing, x);

    public virtual void Head(Step step, Tensor x, Tensor norm, float epsilon, Weight output, Tensor logits) =>
        inner.Head(step, x, norm, epsilon, output, logits);

    public int MostTop(int vocabulary) => inner.MostTop(vocabulary);

    public void TopLogits(Tensor logits, int rows, int vocabulary, int count, Span<TopLogit> top) => inner.TopLogits(logits, rows, vocabulary, count, top);

    public ReadOnlySpan<float> Read(Tensor tensor, long start, int length) => inner.Read(tensor, start, length);

    public void Write(Tensor tensor, long start, ReadOnlySpan<float> values) => inner.Write(tensor, start, values);

    public virtual void Dispose()
    {
        if (owns) inner.Dispose();
    }
}
