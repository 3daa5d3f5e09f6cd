using WarpDecode.Formats;

namespace WarpDecode.Kernels;

/// <summary>
/// Where the forward pass runs. One method is one line of the forward pass, at the grain of one GPU launch, so that the same
/// lines run on every backend. Shapes: T tokens of the step, H hidden, E experts, K topK, F expert intermediate size (ff).
/// Tensors are row-major FP32; weights are stored rows × columns and multiply as W·x.
/// <para>
/// Every operation gives a token the same bits whatever other tokens share its step: the order of additions for one output
/// depends on the shapes alone.
/// </para>
/// <para>
/// The two operations of the experts can be computed in several ways (<see cref="ExpertForm"/>, chosen when a backend is created). In each
/// of them mid is written as the equation says; grouping, gathering and combining happen within the two operations, in memory of the backend's own.
/// </para>
/// A backend serves one step at a time; it is not thread-safe.
/// </summary>
internal interface IBackend : IDisposable
{
    /// <summary>Name as the user types it: <c>cpu</c>, <c>cuda</c>, <c>reference</c>.</summary>
    string Name { get; }

    /// <summary>What it runs on, for people: threads, instruction set, device.</summary>
    string Description { get; }

    /// <summary>Takes a matrix [rows, columns], or a stack of them [experts, rows, columns], from a mapped file.</summary>
    /// <exception cref="NotSupportedException">No kernel for the tensor's type yet.</exception>
    Weight Load(TensorView view);

    /// <summary>Takes a vector (a norm's weights) from a mapped file, widened to FP32.</summary>
    Tensor LoadVector(TensorView view);

    /// <summary>Takes values from the host.</summary>
    Tensor Upload(ReadOnlySpan<float> values);

    /// <summary>Allocates <paramref name="length"/> FP32 values, zeroed.</summary>
    Tensor Allocate(long length);

    /// <summary>Allocates the routes of up to <paramref name="tokens"/> tokens.</summary>
    Routing AllocateRouting(int tokens, int topK, int experts);

    /// <summary>
    /// Allocates the routes of up to <paramref name="tokens"/> tokens for each layer, so that those of all layers can be read after a step. They may
    /// share what is of use only between a layer's <see cref="Route"/> and its <see cref="MoeDown"/>.
    /// </summary>
    Routing[] AllocateRoutings(int layers, int tokens, int topK, int experts)
    {
        var routings = new Routing[layers];
        for (var layer = 0; layer < layers; layer++) routings[layer] = AllocateRouting(tokens, topK, experts);
        return routings;
    }

    /// <summary>
    /// Copies to the host the routes that some tokens of the last step took in every layer, after all that was asked before.
    /// </summary>
    /// <param name="layers">What <see cref="AllocateRoutings"/> gave.</param>
    /// <param name="first">The first of these tokens.</param>
    /// <param name="tokens">How many.</param>
    /// <param name="ids">Experts.                                              // [layers, tokens, K]</param>
    /// <param name="weights">Their weights.                                    // [layers, tokens, K]</param>
    void ReadRoutings(Routing[] layers, int first, int tokens, Span<int> ids, Span<float> weights)
    {
        for (var (layer, at) = (0, 0); layer < layers.Length; layer++)
        {
            var count = tokens * layers[layer].TopK;
            layers[layer].Read(first, ids.Slice(at, count), weights.Slice(at, count));
            at += count;
        }
    }

    /// <summary>
    /// GB/s that memory of its own is read with at best, measured now, while it does nothing else; null if it has none, or too little is free to say.
    /// </summary>
    double? MeasureReadBandwidth() => null;

    /// <summary>Allocates a paged cache of keys and values, whose type is one of <see cref="KvTypes"/>.</summary>
    KvCache AllocateKvCache(in KvShape shape);

    /// <summary>Tokens of a prompt that it computes in one step unless told otherwise.</summary>
    int PrefillTokens => 128;

    /// <summary>Bytes that a weight takes where it has memory of its own.</summary>
    long BytesOf(TensorView view) => view.Bytes;

    /// <summary>What the elements of its caches can be, its own choice first.</summary>
    IReadOnlyList<WeightType> KvTypes { get; }

    /// <summary>Bytes of memory of its own that are free and that it would use, or null where it computes in the host's.</summary>
    long? FreeBytes => null;

    /// <summary>
    /// Begins a step: its tokens, pages and selected rows are now as they will be. False if the backend has queued a recording of all of the
    /// step's operations by itself; then only <see cref="End"/> follows.
    /// </summary>
    bool Begin(Step step) => true;

    /// <summary>
    /// Decides which of its kernels take how many tokens through these experts, by measuring if need be. The decision never changes a bit of
    /// the results. Comes after loading, before the first step.
    /// </summary>
    /// <param name="layers">The experts of each layer.</param>
    /// <param name="topK">Experts of a token.</param>
    /// <param name="h">Scratch, overwritten, as large as for the largest step.                    // [T, H]</param>
    /// <param name="mid">The same.                                                             // [T, K, F]</param>
    /// <param name="x">The same.                                                               // [T, H]</param>
    /// <param name="measuring">Called before something is measured.</param>
    /// <param name="cancellation">Ends a measurement.</param>
    void TuneExperts(ReadOnlySpan<ExpertWeights> layers, int topK, Tensor h, Tensor mid, Tensor x, Action measuring, CancellationToken cancellation)
    {
    }

    /// <summary>What <see cref="TuneExperts"/> decided, in words, or null where there is nothing to decide.</summary>
    string? Experts => null;

    /// <summary>Ends a step.</summary>
    void End(Step step)
    {
    }

    /// <summary>Copies the contents of one cache page to another, in every layer.</summary>
    void CopyPage(KvCache cache, int from, int to);

    /// <summary>x[t] = table[token(t)]                                        // x [T, H]</summary>
    void Embed(Step step, Weight table, Tensor x);

    /// <summary>angles[t] = cos, sin of position(t) · frequency[i]              // angles [T, 2, n], frequencies [n]</summary>
    void Angles(Step step, Tensor frequencies, Tensor angles);

    /// <summary>y = [W₀; W₁; …] · rmsnorm(x)                                   // x [T, H], y [T, Σ rows]</summary>
    void NormProject(Step step, Tensor x, Tensor norm, float epsilon, ReadOnlySpan<Weight> weights, Tensor y);

    /// <summary>
    /// q, k = rope(rmsnorm(q)), rope(rmsnorm(k)) per head, in place; k and v go to the cache at the tokens' positions.
    /// Without <paramref name="qNorm"/> and <paramref name="kNorm"/> there is no norm. In a decode step a backend may leave qkv as it is and do
    /// all of it within the <see cref="Attention"/> that follows.              // qkv [T, (heads + 2·kvHeads)·headDim]
    /// </summary>
    void RopeAndStore(
        Step step, Tensor qkv, Tensor? qNorm, Tensor? kNorm, float epsilon, Tensor angles, in AttentionShape shape, KvCache cache, int layer);

    /// <summary>y = softmax(q·Kᵀ·scale)·V over positions 0 … position(t) of the token's sequence // y [T, heads·headDim]</summary>
    void Attention(Step step, Tensor qkv, in AttentionShape shape, KvCache cache, int layer, Tensor y);

    /// <summary>x += W·y                                                      // y [T, columns], x [T, rows]</summary>
    void ProjectAdd(Step step, Tensor y, Weight weight, Tensor x);

    /// <summary>h = rmsnorm(x); the topK experts of each token and their weights, from router·h // h [T, H], routing [T, K]</summary>
    void Route(Step step, Tensor x, Tensor norm, float epsilon, Weight router, in RouterSpec spec, Tensor h, Routing routing);

    /// <summary>mid[t, k] = silu(gate[e]·h[t]) · (up[e]·h[t]),  e = expert k of t; gate and up are of one type // mid [T, K, F]</summary>
    void MoeGateUp(Step step, Tensor h, Weight gate, Weight up, Routing routing, Tensor mid);

    /// <summary>x[t] += Σₖ weight(t, k) · down[e]·mid[t, k],  e = expert k of t     // x [T, H]</summary>
    void MoeDown(Step step, Tensor mid, Weight down, Routing routing, Tensor x);

    /// <summary>logits[i] = output · rmsnorm(x[row i of step.LogitRows])           // logits [rows, vocabulary]</summary>
    void Head(Step step, Tensor x, Tensor norm, float epsilon, Weight output, Tensor logits);

    /// <summary>Most tokens that <see cref="TopLogits"/> gives for a vocabulary of that size.</summary>
    int MostTop(int vocabulary);

    /// <summary>
    /// The <paramref name="count"/> best of each of the first <paramref name="rows"/> rows of logits, best first: a higher logit, of equal
    /// ones the lower id; NaN comes first of all. Waits for all that was asked before. // logits [rows, vocabulary], top [rows, count]
    /// </summary>
    void TopLogits(Tensor logits, int rows, int vocabulary, int count, Span<TopLogit> top);

    /// <summary>Makes the first <paramref name="length"/> values from <paramref name="start"/> readable by the host, after all that was asked before.</summary>
    ReadOnlySpan<float> Read(Tensor tensor, long start, int length);

    /// <summary>Puts values from the host into a tensor, from <paramref name="start"/> on, after all that was asked before.</summary>
    void Write(Tensor tensor, long start, ReadOnlySpan<float> values);
}

/// <summary>FP32 values on a backend.</summary>
internal abstract class Tensor(long length)
{
    public long Length { get; } = length;
}

/// <summary>A weight matrix, or a stack of one per expert, on a backend.</summary>
internal abstract class Weight(string name, WeightType type, int experts, int rows, int columns)
{
    public string Name { get; } = name;

    public WeightType Type { get; } = type;

    /// <summary>Matrices in the stack; 1 for a plain matrix.</summary>
    public int Experts { get; } = experts;

    public int Rows { get; } = rows;

    public int Columns { get; } = columns;
}

/// <summary>The experts of a layer: gate and up [E, F, H], down [E, H, F].</summary>
internal readonly record struct ExpertWeights(Weight Gate, Weight Up, Weight Down);

/// <summary>Which experts each token of a step goes to, and with which weights; made by <see cref="IBackend.Route"/>.</summary>
internal abstract class Routing(int tokens, int topK, int experts)
{
    public int Tokens { get; } = tokens;

    public int TopK { get; } = topK;

    public int Experts { get; } = experts;

    /// <summary>Expert of slot <paramref name="k"/> of token <paramref name="t"/> in the last step.</summary>
    public abstract int Expert(int t, int k);

    /// <summary>Weight of slot <paramref name="k"/> of token <paramref name="t"/> in the last step.</summary>
    public abstract float WeightOf(int t, int k);

    /// <summary>Copies the routes of the first <paramref name="tokens"/> tokens of the last step to the host.</summary>
    public abstract void CopyTo(HostRouting to, int tokens);

    /// <summary>Refuses to read what there is not.</summary>
    protected void CheckRange(int first, ReadOnlySpan<int> ids, ReadOnlySpan<float> weights)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        if (ids.Length != weights.Length) throw new ArgumentException($"room for {ids.Length} experts, but for {weights.Length} weights");
        if (((long)first * TopK) + ids.Length > (long)Tokens * TopK) throw new ArgumentException($"{ids.Length / TopK} tokens from {first} on: there are {Tokens}");
    }

    /// <summary>Copies routes of the last step to the host, from those of token <paramref name="first"/> on, as many as there is room for.</summary>
    public abstract void Read(int first, Span<int> ids, Span<float> weights);
}

/// <summary>Sizes of a paged cache. A page holds keys and values of <see cref="PageTokens"/> positions of one sequence in every layer.</summary>
internal readonly record struct KvShape(int Layers, int Pages, int PageTokens, int KvHeads, int HeadDim, WeightType Type = WeightType.F32)
{
    /// <summary>Bytes of one page over all layers, keys and values.</summary>
    public long PageBytes => 2L * Type.BlockBytes() * Layers * PageTokens * KvHeads * HeadDim;
}

/// <summary>A paged cache of keys and values on a backend.</summary>
internal abstract class KvCache(in KvShape shape) : IDisposable
{
    public KvShape Shape { get; } = shape;

    public abstract void Dispose();
}

/// <summary>Sizes of attention. Query head h reads key/value head h / (Heads / KvHeads).</summary>
internal readonly record struct AttentionShape(int Heads, int KvHeads, int HeadDim, float Scale)
{
    /// <summary>Values of one token in the joint projection: queries, then keys, then values.</summary>
    public int QkvSize => (Heads + (2 * KvHeads)) * HeadDim;
}

/// <summary>How router scores become expert weights: softmax over all experts, the topK largest, optionally normalized to sum 1.</summary>
internal readonly record struct RouterSpec(int TopK, bool Normalize);
