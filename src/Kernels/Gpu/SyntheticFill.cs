using ILGPU;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="SyntheticKernels.Fill"/>: word i of row r becomes (hash &amp; And) | Or.</summary>
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

/// <summary>Parameters of <see cref="SyntheticKernels.BalanceQ4K"/>.</summary>
internal struct BalanceArgs
{
    public long To;
    public long Blocks;
    public uint Scales;
}

/// <summary>Parameters of <see cref="SyntheticKernels.SetScale"/>.</summary>
internal struct ScaleArgs
{
    public long To;
    public long Blocks;
    public int BlockBytes;
    public int Offset;
    public uint Scale;
}

/// <summary>Parameters of <see cref="SyntheticKernels.Repeat"/>.</summary>
internal struct RepeatArgs
{
    public long To;
    public long Pairs;
    public long From;
    public int FromBytes;
    public int Start;
}

/// <summary>The weights of <see cref="SyntheticWeights"/>, made on the device and with powers of two for magnitudes.</summary>
internal sealed class SyntheticFill(GpuDevice device)
{
    private const int MostBlocks = 1056;

    private readonly Kernel<FillArgs> fill = device.Compile<FillArgs>(SyntheticKernels.Fill);
    private readonly Kernel<BalanceArgs> balance = device.Compile<BalanceArgs>(SyntheticKernels.BalanceQ4K);
    private readonly Kernel<ScaleArgs> scale = device.Compile<ScaleArgs>(SyntheticKernels.SetScale);
    private readonly Kernel<RepeatArgs> repeat = device.Compile<RepeatArgs>(SyntheticKernels.Repeat);
    private readonly Dictionary<(WeightType Type, float Deviation), long> pools = [];
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
                balance.Launch(new BalanceArgs { To = address, Blocks = rows * (columns / 256), Scales = d | (min << 16) }, Blocks(rows * (columns / 256)));
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
        if (!SyntheticWeights.IsDrawn(view.Type))
        {
            Repeat(view.Type, SyntheticWeights.Deviation(view), address, rows * rowBytes);
            return;
        }
        var exponent = (int)MathF.Round(MathF.Log2(SyntheticWeights.Deviation(view)));
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
            new ScaleArgs { To = address, Blocks = rows * (rowBytes / bytes), BlockBytes = bytes, Offset = offset, Scale = Half(MathF.ScaleB(1, exponent) / magnitude) }, Blocks(rows * (rowBytes / bytes)));
    }

    // A pool stays on the device for as long as that is used: some megabytes.
    private unsafe void Repeat(WeightType type, float std, long address, long bytes)
    {
        var pool = SyntheticWeights.Pool(type, std);
        if (!pools.TryGetValue((type, std), out var from))
        {
            pools.Add((type, std), from = device.Allocate(pool.Length, "synthetic weights"));
            fixed (byte* source = pool) device.Upload(from, source, pool.Length);
        }
        // The last byte of an odd number of them (MXFP4 has blocks of 17) holds quants: any will do.
        var args = new RepeatArgs { To = address, Pairs = bytes / 2, From = from, FromBytes = pool.Length, Start = SyntheticWeights.PoolStart(++seed) * type.BlockBytes() };
        repeat.Launch(args, Blocks(args.Pairs));
    }

    private static int Blocks(long items) => (int)Math.Clamp((items + Rows.Threads - 1) / Rows.Threads, 1, MostBlocks);

    private static uint Half(float value) => BitConverter.HalfToUInt16Bits((System.Half)value);

    private static uint Halves(int exponent) => (uint)((15 + exponent) << 10) * 0x00010001;

    private void Words(long address, long rows, long rowBytes, int words, uint and, uint or) =>
        fill.Launch(new FillArgs { To = address, RowBytes = rowBytes, Rows = rows, Words = words, And = and, Or = or, Seed = ++seed }, Blocks(rows * words));
}

/// <summary>The kernels of <see cref="SyntheticFill"/>.</summary>
internal static class SyntheticKernels
{
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

    public static void Repeat(RepeatArgs a)
    {
        for (var i = ((long)Grid.IdxX * Rows.Threads) + Group.IdxX; i < a.Pairs; i += (long)Grid.DimX * Rows.Threads)
        {
            var first = a.From + ((a.Start + (2 * i)) % a.FromBytes);
            var second = a.From + ((a.Start + (2 * i) + 1) % a.FromBytes);
            Dev.StoreU16(a.To + (2 * i), Dev.LoadU8(first) | (Dev.LoadU8(second) << 8));
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

    private static uint Hash(uint v)
    {
        v ^= v >> 16;
        v *= 0x7feb352du;
        v ^= v >> 15;
        v *= 0x846ca68bu;
        return v ^ (v >> 16);
    }
}
