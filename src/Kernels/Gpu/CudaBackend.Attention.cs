using System.Numerics;

namespace WarpDecode.Kernels.Gpu;

// Positions, rope, the paged cache and attention.
internal sealed unsafe partial class CudaBackend
{
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

    /// <summary>Splits that the longest of the step's contexts has, to the next power of two: steps of growing contexts share a recording.</summary>
    private static int Splits(Step step)
    {
        var longest = 0;
        for (var t = 0; t < step.Count; t++) longest = Math.Max(longest, step.Positions[t]);
        return (int)BitOperations.RoundUpToPowerOf2((uint)(longest / Gpu.Attention.Split) + 1);
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
}
