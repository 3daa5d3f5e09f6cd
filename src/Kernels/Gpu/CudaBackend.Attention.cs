using System.Numerics;

namespace WarpDecode.Kernels.Gpu;

// Positions, rope, the paged cache and attention.
internal sealed unsafe partial class CudaBackend
{
    // Counters of attention's blocks, at the beginning of its memory.
    private const long ArrivedBytes = 1L << 18;

    // Results that a block waits for; zero between launches.
    private const long WaitedBytes = 4L << 20;

    /// <summary>Blocks of attention from which on each has several splits: as many as run at the same time. Changes no bits.</summary>
    internal int AttentionBlocks { get; set; } = 264;

    /// <summary>
    /// Blocks of one split up to which rows of more than 256 bytes come in one pass, at one block to a multiprocessor. Changes no bits.
    /// </summary>
    internal int AttentionWhole { get; set; }

    /// <summary>Whether they do where a block has several splits. Changes no bits.</summary>
    internal bool AttentionWholeChunks { get; set; }

    /// <summary>Splits of a token up to which its last block waits for the others, at most <see cref="Gpu.Attention.MostWaited"/>; 0 for never. Changes no bits.</summary>
    internal int AttentionWaited { get; set; } = Gpu.Attention.MostWaited;

    /// <summary>
    /// Blocks of a launch up to which some may wait for others: no more than a device can hold at one to a multiprocessor.
    /// </summary>
    internal int AttentionWaiting { get; set; }

    private RopeArgs waiting;
    private DeviceKvCache? waitingCache;
    private int waitingTokens;

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
        RopeNow();
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
        (waiting, waitingCache, waitingTokens) = (args, (DeviceKvCache)cache, step.Count);
        if (!IsDecode(step)) RopeNow();
    }

    public void Attention(Step step, Tensor qkv, in AttentionShape shape, KvCache cache, int layer, Tensor y)
    {
        var kv = (DeviceKvCache)cache;
        var group = shape.Heads / shape.KvHeads;
        if (shape.HeadDim > Gpu.Attention.MaxHeadDim || shape.HeadDim % 8 != 0)
            throw Unsupported($"heads of {shape.HeadDim}: the cuda backend takes at most {Gpu.Attention.MaxHeadDim}, in eights");
        var pages = PagesOf(step, cache, layer);
        var fused = waitingCache == kv && waitingTokens == step.Count && waiting.Qkv == DeviceTensor.Of(qkv) && waiting.Pages.Keys == pages.Keys;
        if (!fused) RopeNow();
        var scale = shape.Scale * 1.4426950408889634f;
        if (!fused && step.Count > 1 && step.SequenceCount == 1 && !step.InPieces && Follow(step) && kv.Kernels.Prefill(shape.HeadDim) is { } prefill)
        {
            var prompt = new PrefillArgs
            {
                Pages = pages,
                Qkv = DeviceTensor.Of(qkv),
                Y = DeviceTensor.Of(y),
                Heads = shape.Heads,
                KvHeads = shape.KvHeads,
                Tokens = step.Count,
                Scale = scale,
            };
            prefill.Launch(prompt, Blocks(step.Count * group, AttentionPrefill.BlockRows), shape.KvHeads);
            return;
        }

        var splits = Splits(step);
        var units = shape.KvHeads * Blocks(group, Gpu.Attention.Heads);
        var rows = (long)units * Math.Min(group, Gpu.Attention.Heads) * splits; // of one token
        var perToken = rows * (shape.HeadDim + 2) * sizeof(float);
        var room = AttentionBytes - ArrivedBytes - WaitedBytes;
        var tokensAtOnce = (int)Math.Min(step.Count, Math.Min(room / perToken, ArrivedBytes / sizeof(int) / units));
        if (tokensAtOnce == 0) throw Unsupported($"attention over {splits * Gpu.Attention.Split} positions: more than the cuda backend has room for");
        if (attention == 0) attention = device.Allocate(AttentionBytes, "attention");
        var many = units * step.Count * splits > AttentionBlocks;
        var few = !many && splits <= Math.Min(AttentionWaited, Gpu.Attention.MostWaited) && units * step.Count * splits <= AttentionWaiting
            && step.Count * perToken <= WaitedBytes;
        var partials = attention + ArrivedBytes + (few ? 0 : WaitedBytes);
        var args = new AttentionArgs
        {
            Pages = pages,
            Qkv = DeviceTensor.Of(qkv),
            Arrived = attention,
            Partials = partials,
            Statistics = partials + (tokensAtOnce * rows * shape.HeadDim * sizeof(float)),
            Y = DeviceTensor.Of(y),
            Heads = shape.Heads,
            KvHeads = shape.KvHeads,
            HeadDim = shape.HeadDim,
            Splits = splits,
            Scale = scale,
        };
        if (fused)
        {
            (args.QNorm, args.KNorm, args.Angles, args.Epsilon) = (waiting.QNorm, waiting.KNorm, waiting.Angles, waiting.Epsilon);
            waitingCache = null;
        }
        var form = many ? DecodeForm.Chunks : few ? DecodeForm.Few : DecodeForm.Splits;
        var kernel = kv.Kernels.Decode(shape.HeadDim, fused, form, many ? AttentionWholeChunks : units * step.Count * splits <= AttentionWhole);
        for (; args.FirstToken < step.Count; args.FirstToken += tokensAtOnce)
        {
            var count = Math.Min(tokensAtOnce, step.Count - args.FirstToken);
            kernel.Launch(args, many ? Blocks(splits, Gpu.Attention.Chunk) : splits, units, count);
        }
    }

    /// <summary>
    /// Splits that the longest of the step's contexts has, rounded up to four significant bits: steps of growing contexts share a recording, and
    /// few blocks find nothing to do.
    /// </summary>
    private static int Splits(Step step)
    {
        var longest = 0;
        for (var t = 0; t < step.Count; t++) longest = Math.Max(longest, step.Positions[t]);
        var splits = (longest / Gpu.Attention.Split) + 1;
        var unit = Math.Max(1, (int)BitOperations.RoundUpToPowerOf2((uint)splits) / 16);
        return (splits + unit - 1) / unit * unit;
    }

    /// <summary>Whether every sequence has one token, in order.</summary>
    private static bool IsDecode(Step step)
    {
        if (!step.IsDecode) return false;
        for (var t = 0; t < step.Count; t++)
        {
            if (step.Sequences[t] != t) return false;
        }
        return true;
    }

    /// <summary>Whether a step's tokens follow each other.</summary>
    private static bool Follow(Step step)
    {
        for (var t = 1; t < step.Count; t++)
        {
            if (step.Positions[t] != step.Positions[0] + t) return false;
        }
        return true;
    }

    /// <summary>
    /// Launches what <see cref="RopeAndStore"/> has left for the attention of a decode step, which does it on the way; called by everything that
    /// may come in between.
    /// </summary>
    private void RopeNow()
    {
        if (waitingCache is not { } kv) return;
        waitingCache = null;
        kv.Kernels.Rope.Launch(waiting, waitingTokens, Blocks(waiting.Heads + (2 * waiting.KvHeads), Rows.Warps));
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
        };
    }
}
