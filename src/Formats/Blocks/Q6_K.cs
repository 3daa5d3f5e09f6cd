using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace WarpDecode.Formats.Blocks;

/// <summary>
/// 256 weights in 210 bytes, 6.56 bits each, in 16 groups of 16: w[i] = d · s[i/16] · (q[i] − 32), q 6 bits, s signed bytes.
/// <code>
/// byte 0                128             192         208  210
///      | low (128)      | high (64)     | s (16)    | d  |
///
/// each half h of 128 weights has 64 bytes of low and 32 of high; its quarter k (32 weights), l = 0…31, takes
///   bits 3:0   low[64h + 32(k mod 2) + l], low nibble for k &lt; 2, high nibble for k ≥ 2
///   bits 5:4   high[32h + l], bits 2k+1:2k
/// </code>
/// </summary>
internal unsafe struct Q6_K : IQuantFormat<Q6_K>
{
    public fixed byte Low[128];
    public fixed byte High[64];
    public fixed sbyte S[16];
    public ushort D;

    public static WeightType Type => WeightType.Q6_K;

    public static int Values => 256;

    public static int Group => 16;

    public static int Part => 128;

    public static bool HasOffset => false;

    public static float At(ref Q6_K block, int i)
    {
        var half = i / 128;
        var quarter = i % 128 / 32;
        var l = i % 32;
        var low = block.Low[(64 * half) + (32 * (quarter & 1)) + l];
        var nibble = quarter < 2 ? low & 15 : low >> 4;
        var q = nibble | (((block.High[(32 * half) + l] >> (2 * quarter)) & 3) << 4);
        return F16.ToSingle(block.D) * block.S[i / 16] * (q - 32);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Scales(Q6_K* block, float* scales, float* offsets)
    {
        var (lower, upper) = Vector128.Widen(Vector128.Load(block->S));
        var d = F16.FiniteToSingle(block->D);
        var (a, b) = Vector128.Widen(lower);
        var (e, f) = Vector128.Widen(upper);
        (Vector128.ConvertToSingle(a) * d).Store(scales);
        (Vector128.ConvertToSingle(b) * d).Store(scales + 4);
        (Vector128.ConvertToSingle(e) * d).Store(scales + 8);
        (Vector128.ConvertToSingle(f) * d).Store(scales + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<sbyte> Load16(Q6_K* block, nint part, int i)
    {
        var quarter = i / 2;
        var l = i % 2 * 16;
        var low = Vector128.Load(block->Low + (64 * part) + (32 * (quarter & 1)) + l);
        var high = Vector128.Load(block->High + (32 * part) + l).AsUInt16();
        // Shifts move 16-bit lanes: what crosses a byte border is masked away.
        if (quarter >= 2) low = Vector128.ShiftRightLogical(low.AsUInt16(), 4).AsByte();
        high = quarter switch
        {
            0 => Vector128.ShiftLeft(high, 4),
            1 => Vector128.ShiftLeft(high, 2),
            2 => high,
            _ => Vector128.ShiftRightLogical(high, 2),
        };
        var q = (low & Vector128.Create((byte)15)) | (high.AsByte() & Vector128.Create((byte)0x30));
        return q.AsSByte() - Vector128.Create((sbyte)32);
    }
}
