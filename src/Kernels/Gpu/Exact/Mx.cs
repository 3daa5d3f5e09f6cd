using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

/// <summary>MXFP8 with E4M3 elements as <see cref="Cpu.Mxfp8"/> defines it, the same bits: four neighbouring lanes have the 32 values of a block.</summary>
internal static class Mx
{
    /// <summary>Bits of the largest magnitude of the block, above those of every number if one of its values is none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Largest(F4 a, F4 b)
    {
        var largest = Dev.MaxMagnitude(Dev.MaxMagnitude(Dev.MaxMagnitude(a.X, a.Y), Dev.MaxMagnitude(a.Z, a.W)),
            Dev.MaxMagnitude(Dev.MaxMagnitude(b.X, b.Y), Dev.MaxMagnitude(b.Z, b.W)));
        largest = Dev.MaxMagnitude(largest, Warp.ShuffleXor(largest, 1));
        return Interop.FloatAsInt(Dev.MaxMagnitude(largest, Warp.ShuffleXor(largest, 2)));
    }

    /// <summary>Exponent of the scale: that of the largest value less 8, at least −127; 128 for a block that is no number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Exponent(uint largest)
    {
        var exponent = (int)(largest >> 23) - 135;
        if (exponent < -127) exponent = -127;
        return largest < 0x7F800000 ? exponent : 128;
    }

    /// <summary>2^exponent for −127 … 127; no number for 128, 0 for −128.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float PowerOfTwo(int exponent)
    {
        var bits = (uint)(exponent + 127) << 23;
        if (exponent == -127) bits = 1 << 22;
        if (exponent == -128) bits = 0;
        if (exponent == 128) bits = 0x7FC00000;
        return Interop.IntAsFloat(bits);
    }

    /// <summary>The nearest E4M3 numbers, of two the even one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F4 ToE4M3(F4 v) => new() { X = ToE4M3(v.X), Y = ToE4M3(v.Y), Z = ToE4M3(v.Z), W = ToE4M3(v.W) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F4 Times(F4 v, float factor) => new() { X = v.X * factor, Y = v.Y * factor, Z = v.Z * factor, W = v.W * factor };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float ToE4M3(float value)
    {
        var bits = Interop.FloatAsInt(value);
        var magnitude = bits & 0x7FFFFFFF;
        var rounded = (magnitude + 0x7FFFFu + ((magnitude >> 20) & 1)) & 0xFFF00000u;
        if (rounded > 0x43E00000) rounded = 0x43E00000; // 448
        // Below 2⁻⁶ the last bit is worth 2⁻⁹.
        if (magnitude < 0x3C800000) rounded = Interop.FloatAsInt(Dev.RoundToInt(Interop.IntAsFloat(magnitude) * 512f) * (1f / 512));
        return Interop.IntAsFloat(rounded | (bits & 0x80000000));
    }
}
