using System.Runtime.InteropServices;
using WarpDecode.Formats;

namespace WarpDecode.Kernels.Tests;

/// <summary>Weights of any supported type with random contents and sane scales, in memory of their own.</summary>
internal sealed unsafe class RandomWeights : IDisposable
{
    private readonly HostMemory memory;

    public RandomWeights(WeightType type, long[] shape, int seed)
        : this(type, shape, new Random(seed))
    {
    }

    public RandomWeights(WeightType type, long[] shape, Random random)
    {
        var count = shape.Aggregate(1L, (a, b) => a * b);
        memory = new HostMemory(type.RowBytes(count));
        var bytes = new Span<byte>(memory.Start, (int)type.RowBytes(count));
        Fill(bytes, type, random);
        View = new TensorView($"random.{type}", type, shape, 0, bytes.Length, memory.Start);
    }

    public TensorView View { get; }

    /// <summary>Types that operations are tested with: plain, with a scale, with offsets, with groups of 16.</summary>
    public static WeightType[] Types => [.. Dispatch.Supported];

    public void Dispose() => memory.Dispose();

    /// <summary>Fills whole blocks: any integers will do, but numbers and the halves that scale them must be sane.</summary>
    public static void Fill(Span<byte> bytes, WeightType type, Random random)
    {
        random.NextBytes(bytes);
        switch (type)
        {
            case WeightType.F32:
                foreach (ref var value in MemoryMarshal.Cast<byte, float>(bytes)) value = (random.NextSingle() - 0.5f) / 4;
                break;
            case WeightType.F16:
                foreach (ref var value in MemoryMarshal.Cast<byte, Half>(bytes)) value = (Half)((random.NextSingle() - 0.5f) / 4);
                break;
            case WeightType.BF16:
                foreach (ref var value in MemoryMarshal.Cast<byte, ushort>(bytes))
                    value = (ushort)(BitConverter.SingleToUInt32Bits((random.NextSingle() - 0.5f) / 4) >> 16);
                break;
            default:
                var (scaleAt, block) = (ScaleOffsets(type), type.BlockBytes());
                for (var at = 0; at < bytes.Length; at += block)
                {
                    foreach (var offset in scaleAt) BitConverter.TryWriteBytes(bytes[(at + offset)..], (Half)(1e-3f * (0.5f + random.NextSingle())));
                }
                break;
        }
    }

    private static int[] ScaleOffsets(WeightType type) => type switch
    {
        WeightType.Q8_0 or WeightType.Q5_0 => [0],
        WeightType.Q4_K => [0, 2],
        WeightType.Q6_K => [208],
        _ => throw new ArgumentException($"say here where the scales of {type} are"),
    };
}
