using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Kernels.Cpu;

/// <summary>
/// MXFP8 with E4M3 elements (OCP Microscaling Formats Specification v1.0, sections 5.2 and 6.3): 32 values share a power of two
/// X = 2^(⌊log₂ max|v|⌋ − 8), 8 being the exponent of the largest element; each becomes the E4M3 number nearest to v / X, ties to
/// even, and what lies beyond ±448 becomes ±448.
/// <code>
/// E4M3     sign 1 · exponent 4 (bias 7) · mantissa 3     ±448 the largest, 2⁻⁶ the least normal, 2⁻⁹ the least of all; no infinity
/// E8M0     X = 2^(code − 127)                            2⁻¹²⁷ … 2¹²⁷
/// </code>
/// </summary>
internal static unsafe class Mxfp8
{
    /// <summary>Values that share a scale.</summary>
    public const int Block = 32;

    /// <summary>The largest element.</summary>
    public const float Largest = 448;

    private const int LargestExponent = 8;      // 448 = 1.75 · 2⁸
    private const int LeastScale = -127;        // E8M0
    private const float SubnormalRounding = 1.5f * (1 << 14); // its last bit is worth 2⁻⁹: a sum with it is rounded there

    /// <summary>Rounds to MXFP8 and widens back; a last block may be shorter. A block with an infinity or NaN becomes NaN.</summary>
    public static void Round(float* x, float* to, int count)
    {
        for (var from = 0; from < count; from += Block)
        {
            var values = Math.Min(Block, count - from);
            if (values == Block) RoundBlock(x + from, to + from);
            else RoundShort(x + from, to + from, values);
        }
    }

    /// <summary>Exponent of the scale of a block whose largest magnitude is <paramref name="largest"/>, finite.</summary>
    public static int ScaleExponent(float largest) => largest == 0 ? LeastScale : Math.Max(Math.ILogB(largest) - LargestExponent, LeastScale);

    /// <summary>The E4M3 numbers nearest to <paramref name="x"/>, as FP32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ToE4M3(Vector256<float> x)
    {
        var bits = x.AsUInt32();
        var sign = bits & Vector256.Create(0x80000000u);
        var magnitude = Vector256.Abs(x);
        // Three mantissa bits of 23 stay: half of the last one's worth, less one unless that bit is odd, makes a tie go to even.
        var odd = Vector256.ShiftRightLogical(magnitude.AsUInt32(), 20) & Vector256<uint>.One;
        var normal = ((magnitude.AsUInt32() + Vector256.Create(0x7FFFFu) + odd) & Vector256.Create(0xFFF00000u)).AsSingle();
        var subnormal = magnitude + Vector256.Create(SubnormalRounding) - Vector256.Create(SubnormalRounding);
        var rounded = Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(1f / 64)), subnormal, normal);
        return (Vector256.Min(rounded, Vector256.Create(Largest)).AsUInt32() | sign).AsSingle();
    }

    private static void RoundShort(float* x, float* to, int count)
    {
        var block = stackalloc float[Block];
        new Span<float>(block, Block).Clear();
        new ReadOnlySpan<float>(x, count).CopyTo(new Span<float>(block, count));
        RoundBlock(block, block);
        new ReadOnlySpan<float>(block, count).CopyTo(new Span<float>(to, count));
    }

    private static void RoundBlock(float* x, float* to)
    {
        var (a, b, c, d) = (Vector256.Load(x), Vector256.Load(x + 8), Vector256.Load(x + 16), Vector256.Load(x + 24));
        var most = Vector256.Max(Vector256.Max(Vector256.Abs(a), Vector256.Abs(b)), Vector256.Max(Vector256.Abs(c), Vector256.Abs(d)));
        var largest = 0f;
        for (var i = 0; i < 8; i++) largest = MathF.Max(largest, most[i]); // passes NaN on
        if (!float.IsFinite(largest))
        {
            new Span<float>(to, Block).Fill(float.NaN);
            return;
        }
        var exponent = ScaleExponent(largest);
        var up = Vector256.Create(PowerOfTwo(exponent));
        var down = Vector256.Create(PowerOfTwo(-exponent));
        (ToE4M3(a * down) * up).Store(to);
        (ToE4M3(b * down) * up).Store(to + 8);
        (ToE4M3(c * down) * up).Store(to + 16);
        (ToE4M3(d * down) * up).Store(to + 24);
    }

    // −127 … 127; the least is subnormal as FP32.
    private static float PowerOfTwo(int exponent) =>
        BitConverter.Int32BitsToSingle(exponent > LeastScale ? (exponent + 127) << 23 : 1 << 22);
}
