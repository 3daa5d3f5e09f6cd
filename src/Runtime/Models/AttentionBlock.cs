using WarpDecode.Kernels;

namespace WarpDecode.Runtime.Models;

/// <summary>Grouped-query attention with optional norms of queries and keys: x += Wₒ·attention(norm(x)).</summary>
internal sealed class AttentionBlock
{
    private readonly Weight[] qkv;

    public AttentionBlock(Tensor norm, Weight query, Weight key, Weight value, Weight output, Tensor? queryNorm, Tensor? keyNorm)
    {
        qkv = [query, key, value];
        Norm = norm;
        Output = output;
        QueryNorm = queryNorm;
        KeyNorm = keyNorm;
    }

    public Tensor Norm { get; }

    public Weight Output { get; }

    public Tensor? QueryNorm { get; }

    public Tensor? KeyNorm { get; }

    public void Forward(IBackend ops, Step step, Workspace work, in AttentionShape shape, float epsilon, KvCache cache, int layer)
    {
        ops.NormProject(step, work.X, Norm, epsilon, qkv, work.Qkv);                                                // qkv [T, (heads + 2·kvHeads)·headDim]
        ops.RopeAndStore(step, work.Qkv, QueryNorm, KeyNorm, epsilon, work.Angles, shape, cache, layer);
        ops.Attention(step, work.Qkv, shape, cache, layer, work.Attended);                                          // attended [T, heads·headDim]
        ops.ProjectAdd(step, work.Attended, Output, work.X);                                                        // x [T, H]
    }
}
