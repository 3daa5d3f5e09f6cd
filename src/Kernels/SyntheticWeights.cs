using System.Runtime.InteropServices;
using WarpDecode.Formats;

namespace WarpDecode.Kernels;

/// <summary>
/// Random weights of the size of trained ones, so that activations stay finite and routing spreads: for speed, not for sense.
/// On a GPU <see cref="Gpu.SyntheticFill"/> makes them.
/// </summary>
internal static unsafe class SyntheticWeights
{
    private const int PieceValues = 1 << 20;

    /// <summary>The types that weights can be made in.</summary>
    public static IReadOnlyList<WeightType> Types { get; } = [WeightType.F32, WeightType.F16, WeightType.BF16, WeightType.Q8_0, WeightType.Q4_K, WeightType.Q6_K];

    /// <summary>Standard deviation of a tensor's weights.</summary>
    public static float Deviation(TensorView view)
    {
        if (view.Name.Contains("token_embd", StringComparison.Ordinal)) return 1;
        var unit = 1 / MathF.Sqrt(view.Shape[^1]);
        // The attention's outputs smaller: otherwise it averages the tokens, and all of them go to the same experts.
        return view.Name.Contains("attn_output", StringComparison.Ordinal) ? 0.1f * unit : unit;
    }

    /// <summary>Fills a tensor in writable memory; the same bytes whatever the number of threads.</summary>
    public static void Fill(TensorView view, CancellationToken cancellation)
    {
        var (pieceBytes, std) = (view.Type.RowBytes(PieceValues), Deviation(view));
        var seed = view.Name.Aggregate(17u, (hash, c) => (hash * 31) + c);
        var pieces = (view.Bytes + pieceBytes - 1) / pieceBytes;
        Parallel.For(0L, pieces, new ParallelOptions { CancellationToken = cancellation }, piece =>
        {
            var bytes = (int)Math.Min(pieceBytes, view.Bytes - (piece * pieceBytes));
            Fill(new Span<byte>(view.Data + (piece * pieceBytes), bytes), view.Type, std, ((ulong)seed << 32) + (ulong)piece);
        });
    }

    /// <summary>Fills whole blocks.</summary>
    public static void Fill(Span<byte> to, WeightType type, float std, ulong seed)
    {
        var random = new SplitMix(seed);
        switch (type)
        {
            case WeightType.F32:
                foreach (ref var value in MemoryMarshal.Cast<byte, float>(to)) value = random.Uniform(std);
                break;
            case WeightType.F16:
                foreach (ref var value in MemoryMarshal.Cast<byte, Half>(to)) value = (Half)random.Uniform(std);
                break;
            case WeightType.BF16:
                foreach (ref var value in MemoryMarshal.Cast<byte, ushort>(to)) value = (ushort)(BitConverter.SingleToUInt32Bits(random.Uniform(std)) >> 16);
                break;
            case WeightType.Q8_0:
                random.Bytes(to);
                Scale(to, 34, 0, std / 73.9f); // 73.9: standard deviation of a uniform signed byte
                break;
            case WeightType.Q4_K:
                // d · s · (q − 7.5): mins equal to the scales and dmin = 7.5 d make the mean 0; the squares of s are 36.5² on average, q deviates by 4.61.
                random.Bytes(to);
                for (var at = 0; at < to.Length; at += 144)
                {
                    to.Slice(at + 4, 4).CopyTo(to.Slice(at + 8, 4));
                    for (var i = 12; i < 16; i++) to[at + i] = (byte)((to[at + i] & 15) * 17);
                }
                Scale(to, 144, 0, std / (4.61f * 36.5f));
                Scale(to, 144, 2, 7.5f * std / (4.61f * 36.5f));
                break;
            case WeightType.Q6_K:
                random.Bytes(to);
                Scale(to, 210, 208, std / (18.5f * 73.9f));
                break;
            default:
                throw new NotSupportedException($"synthetic weights are {string.Join(", ", Types)}, not {type}");
        }
    }

    private static void Scale(Span<byte> to, int blockBytes, int offset, float scale)
    {
        for (var at = offset; at < to.Length; at += blockBytes) BitConverter.TryWriteBytes(to.Slice(at, 2), (Half)scale);
    }

    /// <summary>SplitMix64 (Steele, Lea and Flood, 2014): several times as fast as System.Random with a seed.</summary>
    private struct SplitMix
    {
        private ulong state;

        public SplitMix(ulong seed) => state = seed;

        /// <summary>A number that deviates by <paramref name="std"/>: a uniform one within ±√3 of it.</summary>
        public float Uniform(float std) => (((int)(Next() >> 40) * (1f / (1 << 23))) - 1) * std * 1.7320508f;

        public void Bytes(Span<byte> to)
        {
            foreach (ref var word in MemoryMarshal.Cast<byte, ulong>(to)) word = Next();
            for (var i = to.Length & ~7; i < to.Length; i++) to[i] = (byte)Next();
        }

        private ulong Next()
        {
            var z = state += 0x9E3779B97F4A7C15;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }
}
