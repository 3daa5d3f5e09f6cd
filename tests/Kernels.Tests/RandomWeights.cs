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

    /// <summary>
    /// Types that operations are tested with: one of each kind of row kernel, for <see cref="RowsTests"/> has them all. Plain; with a scale,
    /// of 32 and of 16 weights; with offsets; nibbles that stand for themselves and for others; points of a grid; 8-bit floats.
    /// </summary>
    public static WeightType[] Types { get; } =
    [
        WeightType.F32, WeightType.F16, WeightType.BF16, WeightType.I8, WeightType.Q8_0, WeightType.Q5_0, WeightType.Q6_K, WeightType.NVFP4,
        WeightType.Q2_K, WeightType.Q4_1, WeightType.Q4_K, WeightType.MXFP4, WeightType.IQ2_XS,
        WeightType.FP8_E4M3,
    ];

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
            case WeightType.F64:
                foreach (ref var value in MemoryMarshal.Cast<byte, double>(bytes)) value = (random.NextDouble() - 0.5) / 4;
                break;
            case WeightType.I8:
                foreach (ref var value in MemoryMarshal.Cast<byte, sbyte>(bytes)) value = (sbyte)random.Next(-1, 3);
                break;
            case WeightType.I16:
                foreach (ref var value in MemoryMarshal.Cast<byte, short>(bytes)) value = (short)random.Next(-1, 3);
                break;
            case WeightType.I32:
                foreach (ref var value in MemoryMarshal.Cast<byte, int>(bytes)) value = random.Next(-1, 3);
                break;
            case WeightType.I64:
                foreach (ref var value in MemoryMarshal.Cast<byte, long>(bytes)) value = random.Next(-1, 3);
                break;
            case WeightType.FP8_E4M3 or WeightType.FP8_E5M2:
                // Codes below 2, so that none is NaN.
                foreach (ref var code in bytes) code = (byte)(code & 0xBF);
                for (var at = 0; at < bytes.Length; at += type.BlockBytes()) BitConverter.TryWriteBytes(bytes[at..], 0.05f * (0.5f + random.NextSingle()));
                break;
            case WeightType.MXFP8:
                foreach (ref var code in bytes) code = (byte)(code & 0xBF);
                for (var at = 0; at < bytes.Length; at += type.BlockBytes()) bytes[at] = (byte)random.Next(120, 123); // 2⁻⁷ … 2⁻⁵
                break;
            default:
                var (scaleAt, block) = (ScaleOffsets(type), type.BlockBytes());
                for (var at = 0; at < bytes.Length; at += block)
                {
                    var scale = Unit(type) * (0.5f + random.NextSingle());
                    foreach (var offset in scaleAt) Scale(bytes[(at + offset)..], type, scale, random);
                }
                break;
        }
    }

    // So that weights are some hundredths: integers are up to 1 or 2 in some formats and over 100 in others.
    private static float Unit(WeightType type) =>
        type is WeightType.Q1_0 or WeightType.Q2_0 or WeightType.TQ1_0 or WeightType.TQ2_0 ? 0.05f : 1e-3f;

    private static void Scale(Span<byte> at, WeightType type, float scale, Random random)
    {
        switch (type)
        {
            case WeightType.Q8_K:
                BitConverter.TryWriteBytes(at, scale);
                break;
            case WeightType.MXFP4:
                at[0] = (byte)random.Next(120, 123); // 2⁻⁷ … 2⁻⁵
                break;
            case WeightType.NVFP4:
                at[0] = (byte)random.Next(1, 17); // up to 2⁻⁵, subnormals too
                break;
            case WeightType.IQ1_M:
                // The half is spread over the highest nibbles of four numbers.
                var bits = BitConverter.HalfToUInt16Bits((Half)scale);
                for (var i = 0; i < 4; i++) at[(2 * i) + 1] = (byte)((at[(2 * i) + 1] & 15) | (((bits >> (4 * i)) & 15) << 4));
                break;
            default:
                BitConverter.TryWriteBytes(at, (Half)scale);
                break;
        }
    }

    private static int[] ScaleOffsets(WeightType type) => type switch
    {
        WeightType.Q4_0 or WeightType.Q5_0 or WeightType.Q8_0 or WeightType.Q8_1 or WeightType.Q1_0 or WeightType.Q2_0 => [0],
        WeightType.IQ4_NL or WeightType.IQ4_XS or WeightType.IQ1_S => [0],
        WeightType.IQ2_XXS or WeightType.IQ2_XS or WeightType.IQ2_S or WeightType.IQ3_XXS or WeightType.IQ3_S => [0],
        WeightType.Q8_K or WeightType.MXFP4 => [0],
        WeightType.Q4_1 or WeightType.Q5_1 or WeightType.Q4_K or WeightType.Q5_K => [0, 2],
        WeightType.NVFP4 => [0, 1, 2, 3],
        WeightType.Q2_K => [80, 82],
        WeightType.Q3_K => [108],
        WeightType.Q6_K => [208],
        WeightType.TQ1_0 => [52],
        WeightType.TQ2_0 => [64],
        WeightType.IQ1_M => [48],
        _ => throw new ArgumentException($"say here where the scales of {type} are"),
    };
}
