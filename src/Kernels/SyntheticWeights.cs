using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using WarpDecode.Formats;
using WarpDecode.Formats.Quantization;

namespace WarpDecode.Kernels;

/// <summary>
/// Random weights of the size of trained ones, so that activations stay finite and routing spreads: for speed, not for sense.
/// On a GPU <see cref="Gpu.SyntheticFill"/> makes them.
/// </summary>
internal static unsafe class SyntheticWeights
{
    private const int PieceValues = 1 << 20;

    // Four times a prime, so that rows of 2ⁿ blocks repeat only after 4099 of them.
    private const int PoolBlocks = 4 * 4099;

    private static readonly ConcurrentDictionary<(WeightType Type, float Deviation), byte[]> Pools = new();

    /// <summary>The types that weights can be made in.</summary>
    public static IReadOnlyList<WeightType> Types => RowEncoder.Types;

    /// <summary>Whether every block of a type is drawn; those of others are repeated from <see cref="Pool"/>.</summary>
    public static bool IsDrawn(WeightType type) =>
        type is WeightType.F32 or WeightType.F16 or WeightType.BF16 or WeightType.Q8_0 or WeightType.Q4_K or WeightType.Q6_K;

    /// <summary>
    /// Some thousand blocks of random weights by the type's encoder, which takes too long to make a model of: a multiple of 4 bytes.
    /// </summary>
    /// <param name="type">A type of <see cref="Types"/>.</param>
    /// <param name="std">Standard deviation of the weights.</param>
    public static byte[] Pool(WeightType type, float std) => Pools.GetOrAdd((type, std), static key =>
    {
        var (values, bytes, encoder) = (key.Type.BlockValues(), key.Type.BlockBytes(), RowEncoder.Of(key.Type));
        var pool = new byte[PoolBlocks * bytes];
        Parallel.For(0, PoolBlocks / 4, i =>
        {
            var random = new SplitMix((ulong)i << 32);
            var x = new float[4 * values];
            foreach (ref var value in x.AsSpan()) value = random.Uniform(key.Deviation);
            encoder.Encode(x, [], pool.AsSpan(4 * i * bytes, 4 * bytes));
        });
        return pool;
    });

    /// <summary>The block of the pool that a stretch of weights begins with.</summary>
    public static int PoolStart(ulong seed) => (int)(new SplitMix(seed).Next() % PoolBlocks);

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
        if (!IsDrawn(view.Type)) _ = Pool(view.Type, std); // by all threads, before each of them wants it
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
                var pool = Pool(type, std);
                for (int at = 0, from = PoolStart(seed) * type.BlockBytes(); at < to.Length; from = 0)
                {
                    var count = Math.Min(pool.Length - from, to.Length - at);
                    pool.AsSpan(from, count).CopyTo(to[at..]);
                    at += count;
                }
                break;
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

        public ulong Next()
        {
            var z = state += 0x9E3779B97F4A7C15;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }
}
