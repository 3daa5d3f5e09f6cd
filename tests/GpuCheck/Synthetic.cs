using System.Runtime.InteropServices;
using ILGPU;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.GpuCheck;

/// <summary>Parameters of <see cref="Synthetic.Fill"/>: word i of row r becomes (hash &amp; And) | Or.</summary>
internal struct FillArgs
{
    public long To;
    public long RowBytes;
    public long Rows;
    public int Words;
    public uint And;
    public uint Or;
    public uint Seed;
}

/// <summary>Parameters of <see cref="Synthetic.BalanceQ4K"/>.</summary>
internal struct BalanceArgs
{
    public long To;
    public long Blocks;
    public uint Scales;
}

/// <summary>Parameters of <see cref="Synthetic.SetScale"/>.</summary>
internal struct ScaleArgs
{
    public long To;
    public long Blocks;
    public int BlockBytes;
    public int Offset;
    public uint Scale;
}

/// <summary>Parameters of <see cref="Synthetic.Read"/>.</summary>
internal struct ReadArgs
{
    public long From;
    public long Units;
    public long To;
}

/// <summary>Random weights made on the device, of the size of trained ones, so that activations stay finite and routing spreads.</summary>
internal sealed class Synthetic(GpuDevice device)
{
    private const int Blocks = 1056;

    private readonly Kernel<FillArgs> fill = device.Compile<FillArgs>(Fill);
    private readonly Kernel<BalanceArgs> balance = device.Compile<BalanceArgs>(BalanceQ4K);
    private readonly Kernel<ScaleArgs> scale = device.Compile<ScaleArgs>(SetScale);
    private uint seed;

    /// <summary>Weights with magnitudes about 2^<paramref name="exponent"/>, in the layout of the type's lane format.</summary>
    public void Weights(WeightType type, long address, long rows, long rowBytes, int columns, int exponent)
    {
        switch (type)
        {
            case WeightType.F32:
                Words(address, rows, rowBytes, columns, 0x807FFFFF, (uint)(127 + exponent) << 23);
                break;
            case WeightType.BF16:
                Words(address, rows, rowBytes, columns / 2, 0x807F807F, (uint)(127 + exponent) * 0x00800080);
                break;
            case WeightType.F16:
                Words(address, rows, rowBytes, columns / 2, 0x83FF83FF, Halves(exponent));
                break;
            case WeightType.Q8_0: // integers deviate by 74: 2^6.2
                Words(address, rows, rowBytes, (int)(rowBytes / 4), uint.MaxValue, 0);
                Words(address + columns, rows, rowBytes, columns / 64, 0x03FF03FF, Halves(exponent - 6));
                break;
            case WeightType.Q4_K: // d · s · (q − 7.5): scales are 32 on average, q deviates by 4.6
                Words(address, rows, rowBytes, (int)(rowBytes / 4), uint.MaxValue, 0);
                var d = Half(MathF.ScaleB(1, exponent) / (32 * 4.6f));
                var min = Half(7.5f * MathF.ScaleB(1, exponent) / (32 * 4.6f));
                balance.Launch(new BalanceArgs { To = address, Blocks = rows * (columns / 256), Scales = d | (min << 16) }, Blocks);
                break;
            case WeightType.Q6_K: // d · s · (q − 32): scales deviate by 74, q by 18.5
                Words(address, rows, rowBytes, (int)(rowBytes / 4), uint.MaxValue, 0);
                Words(address + (columns / 16 * 13L), rows, rowBytes, (columns + 511) / 512, 0, Half(MathF.ScaleB(1, exponent) / (74 * 18.5f)) * 0x00010001);
                break;
            default:
                throw new NotSupportedException($"no synthetic weights of type {type}");
        }
    }

    /// <summary>For a backend that is given a file without weights.</summary>
    public void Filler(TensorView view, long address, long rows, long rowBytes)
    {
        // The attention's outputs smaller: otherwise it averages the tokens, and all of them go to the same experts.
        var exponent = view.Name.Contains("attn_output", StringComparison.Ordinal) ? -9 : -6;
        var bytes = view.Type.BlockBytes();
        if (view.Type is not (WeightType.Q8_0 or WeightType.Q6_K))
        {
            Weights(view.Type, address, rows, rowBytes, (int)view.Shape[^1], exponent);
            return;
        }
        // As in a file, not as in the lanes' layout.
        Words(address, 1, 0, checked((int)(rows * rowBytes / 4)), uint.MaxValue, 0); // a row of them need not end at a word
        var (offset, magnitude) = view.Type is WeightType.Q8_0 ? (0, 74f) : (208, 74 * 18.5f);
        scale.Launch(
            new ScaleArgs { To = address, Blocks = rows * (rowBytes / bytes), BlockBytes = bytes, Offset = offset, Scale = Half(MathF.ScaleB(1, exponent) / magnitude) }, Blocks);
    }

    public static void Fill(FillArgs a)
    {
        var count = a.Rows * a.Words;
        for (var i = ((long)Grid.IdxX * Rows.Threads) + Group.IdxX; i < count; i += (long)Grid.DimX * Rows.Threads)
        {
            var row = i / a.Words;
            var h = Hash((uint)i + Hash((uint)(i >> 32) + (a.Seed * 77)));
            Dev.StoreInt(a.To + (row * a.RowBytes) + ((i - (row * a.Words)) * 4), (int)((h & a.And) | a.Or));
        }
    }

    public static void SetScale(ScaleArgs a)
    {
        for (var i = ((long)Grid.IdxX * Rows.Threads) + Group.IdxX; i < a.Blocks; i += (long)Grid.DimX * Rows.Threads)
            Dev.StoreU16(a.To + (i * a.BlockBytes) + a.Offset, a.Scale ^ (Hash((uint)i) & 0x03FF));
    }

    // Mins equal to the scales, so that with dmin = 7.5 · d the weights have no mean.
    public static void BalanceQ4K(BalanceArgs a)
    {
        for (var i = ((long)Grid.IdxX * Rows.Threads) + Group.IdxX; i < a.Blocks; i += (long)Grid.DimX * Rows.Threads)
        {
            var block = a.To + (i * 144);
            Dev.StoreInt(block, (int)a.Scales);
            Dev.StoreInt(block + 8, Dev.LoadInt(block + 4));
            Dev.StoreInt(block + 12, (Dev.LoadInt(block + 12) & 0x0F0F0F0F) * 17);
        }
    }

    /// <summary>Reads everything, eight 16-byte loads in flight a thread.</summary>
    [Launch(Threads = 512)]
    public static void Read(ReadArgs a)
    {
        var thread = ((long)Grid.IdxX * Group.DimX) + Group.IdxX;
        var stride = (long)Grid.DimX * Group.DimX * 16;
        var (at, end) = (a.From + (thread * 16), a.From + (a.Units * 16));
        var sum = 0u;
        for (; at + (7 * stride) < end; at += 8 * stride)
        {
            var (w0, w1, w2, w3) = (Dev.LoadWeights(at), Dev.LoadWeights(at + stride), Dev.LoadWeights(at + (2 * stride)), Dev.LoadWeights(at + (3 * stride)));
            var (w4, w5, w6, w7) = (Dev.LoadWeights(at + (4 * stride)), Dev.LoadWeights(at + (5 * stride)), Dev.LoadWeights(at + (6 * stride)), Dev.LoadWeights(at + (7 * stride)));
            sum += Mix(w0) + Mix(w1) + Mix(w2) + Mix(w3) + Mix(w4) + Mix(w5) + Mix(w6) + Mix(w7);
        }
        for (; at < end; at += stride) sum += Mix(Dev.LoadWeights(at));
        Dev.StoreInt(a.To + (thread * 4), (int)sum);
    }

    private static uint Mix(U4 w) => w.X ^ w.Y ^ w.Z ^ w.W;

    private static uint Hash(uint v)
    {
        v ^= v >> 16;
        v *= 0x7feb352du;
        v ^= v >> 15;
        v *= 0x846ca68bu;
        return v ^ (v >> 16);
    }

    private static uint Half(float value) => BitConverter.HalfToUInt16Bits((System.Half)value);

    private static uint Halves(int exponent) => (uint)((15 + exponent) << 10) * 0x00010001;

    private void Words(long address, long rows, long rowBytes, int words, uint and, uint or) =>
        fill.Launch(new FillArgs { To = address, RowBytes = rowBytes, Rows = rows, Words = words, And = and, Or = or, Seed = ++seed }, Blocks);
}

/// <summary>A file with the header of Qwen3-30B-A3B and holes for its weights.</summary>
internal static class HollowModel
{
    public const int Layers = 48;

    /// <param name="path">Where it is written; it takes next to no room.</param>
    /// <param name="type">BF16, Q8_0, or Q4_K for the mixture that llama.cpp calls Q4_K_M.</param>
    public static void Write(string path, WeightType type)
    {
        const int hidden = 2048, heads = 32, kvHeads = 4, headDim = 128, experts = 128, ff = 768, vocabulary = 151_936;
        var writer = new GgufWriter("qwen3moe")
            .Add("qwen3moe.block_count", (uint)Layers)
            .Add("qwen3moe.context_length", 40960u)
            .Add("qwen3moe.embedding_length", (uint)hidden)
            .Add("qwen3moe.attention.head_count", (uint)heads)
            .Add("qwen3moe.attention.head_count_kv", (uint)kvHeads)
            .Add("qwen3moe.attention.key_length", (uint)headDim)
            .Add("qwen3moe.attention.value_length", (uint)headDim)
            .Add("qwen3moe.attention.layer_norm_rms_epsilon", 1e-6f)
            .Add("qwen3moe.rope.freq_base", 1e6f)
            .Add("qwen3moe.expert_count", (uint)experts)
            .Add("qwen3moe.expert_used_count", 8u)
            .Add("qwen3moe.expert_feed_forward_length", (uint)ff);
        void Hole(string name, WeightType t, params long[] shape) =>
            writer.Add(name, t, shape, stream => stream.Seek(t.RowBytes(shape.Aggregate(1L, (a, b) => a * b)), SeekOrigin.Current));
        void Ones(string name, int length) =>
            writer.Add(name, WeightType.F32, [length], stream => stream.Write(MemoryMarshal.AsBytes(Enumerable.Repeat(1f, length).ToArray().AsSpan())));

        var more = type == WeightType.Q4_K ? WeightType.Q6_K : type;
        Hole("token_embd.weight", type, vocabulary, hidden);
        for (var i = 0; i < Layers; i++)
        {
            // The layers that llama.cpp gives more bits.
            var down = i < Layers / 8 || i >= 7 * Layers / 8 || (i - (Layers / 8)) % 3 == 2 ? more : type;
            Ones($"blk.{i}.attn_norm.weight", hidden);
            Hole($"blk.{i}.attn_q.weight", type, heads * headDim, hidden);
            Hole($"blk.{i}.attn_k.weight", type, kvHeads * headDim, hidden);
            Hole($"blk.{i}.attn_v.weight", down, kvHeads * headDim, hidden);
            Hole($"blk.{i}.attn_output.weight", type, hidden, heads * headDim);
            Ones($"blk.{i}.attn_q_norm.weight", headDim);
            Ones($"blk.{i}.attn_k_norm.weight", headDim);
            Ones($"blk.{i}.ffn_norm.weight", hidden);
            Hole($"blk.{i}.ffn_gate_inp.weight", WeightType.F32, experts, hidden);
            Hole($"blk.{i}.ffn_gate_exps.weight", type, experts, ff, hidden);
            Hole($"blk.{i}.ffn_up_exps.weight", type, experts, ff, hidden);
            Hole($"blk.{i}.ffn_down_exps.weight", down, experts, hidden, ff);
        }
        Ones("output_norm.weight", hidden);
        Hole("output.weight", more, vocabulary, hidden);
        using var file = File.Create(path);
        writer.Write(file);
        file.SetLength(file.Position);
    }
}
