using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using WarpDecode.Formats.Blocks;

namespace WarpDecode.Formats.Quantization;

/// <summary>The numbers that a format can put under its scale, as a type, so that the searches are compiled once for each.</summary>
internal interface ILevels
{
    /// <summary>The lowest of them.</summary>
    static abstract float Lowest { get; }

    /// <summary>The highest of them.</summary>
    static abstract float Highest { get; }

    /// <summary>The level nearest to each lane.</summary>
    static abstract Vector512<float> Nearest(Vector512<float> x);
}

/// <summary>Rounding to whole numbers within bounds.</summary>
internal static class Whole
{
    // A float from 2^23 to 2^24 is a whole number: adding 1.5 · 2^23 rounds, ties to even, and subtracting it undoes the shift.
    private const float Shift = 12_582_912;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Nearest(Vector512<float> x, float lowest, float highest)
    {
        var within = Vector512.MinNative(Vector512.MaxNative(x, Vector512.Create(lowest)), Vector512.Create(highest));
        return within + Vector512.Create(Shift) - Vector512.Create(Shift);
    }
}

/// <summary>Rounding to levels that lie unevenly: the lowest, and a step up for every midpoint that x lies above.</summary>
internal static class Midpoints
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Step(Vector512<float> x, float midpoint, float height) =>
        Vector512.GreaterThan(x, Vector512.Create(midpoint)) & Vector512.Create(height);
}

/// <summary>0 … 3, of Q2_K.</summary>
internal readonly struct Unsigned2 : ILevels
{
    public static float Lowest => 0;

    public static float Highest => 3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Nearest(Vector512<float> x) => Whole.Nearest(x, 0, 3);
}

/// <summary>0 … 15, of Q4_1 and Q4_K.</summary>
internal readonly struct Unsigned4 : ILevels
{
    public static float Lowest => 0;

    public static float Highest => 15;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Nearest(Vector512<float> x) => Whole.Nearest(x, 0, 15);
}

/// <summary>0 … 31, of Q5_1 and Q5_K.</summary>
internal readonly struct Unsigned5 : ILevels
{
    public static float Lowest => 0;

    public static float Highest => 31;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Nearest(Vector512<float> x) => Whole.Nearest(x, 0, 31);
}

/// <summary>−4 … 3, of Q3_K.</summary>
internal readonly struct Signed3 : ILevels
{
    public static float Lowest => -4;

    public static float Highest => 3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Nearest(Vector512<float> x) => Whole.Nearest(x, -4, 3);
}

/// <summary>−8 … 7, of Q4_0.</summary>
internal readonly struct Signed4 : ILevels
{
    public static float Lowest => -8;

    public static float Highest => 7;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Nearest(Vector512<float> x) => Whole.Nearest(x, -8, 7);
}

/// <summary>−16 … 15, of Q5_0.</summary>
internal readonly struct Signed5 : ILevels
{
    public static float Lowest => -16;

    public static float Highest => 15;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Nearest(Vector512<float> x) => Whole.Nearest(x, -16, 15);
}

/// <summary>−32 … 31, of Q6_K.</summary>
internal readonly struct Signed6 : ILevels
{
    public static float Lowest => -32;

    public static float Highest => 31;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Nearest(Vector512<float> x) => Whole.Nearest(x, -32, 31);
}

/// <summary>−127 … 127, of Q8_0.</summary>
internal readonly struct Signed8 : ILevels
{
    public static float Lowest => -127;

    public static float Highest => 127;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Nearest(Vector512<float> x) => Whole.Nearest(x, -127, 127);
}

/// <summary>The sixteen levels of <see cref="IQ4_NL.Codebook"/>, of IQ4_NL and IQ4_XS: denser around 0.</summary>
internal readonly struct NonLinear4 : ILevels
{
    public static float Lowest => -127;

    public static float Highest => 113;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Nearest(Vector512<float> x)
    {
        var level = Vector512.Create(-127f);
        level += Midpoints.Step(x, -115.5f, 23);
        level += Midpoints.Step(x, -93.5f, 21);
        level += Midpoints.Step(x, -74, 18);
        level += Midpoints.Step(x, -57, 16);
        level += Midpoints.Step(x, -42, 14);
        level += Midpoints.Step(x, -28.5f, 13);
        level += Midpoints.Step(x, -16, 12);
        level += Midpoints.Step(x, -4.5f, 11);
        level += Midpoints.Step(x, 7, 12);
        level += Midpoints.Step(x, 19, 12);
        level += Midpoints.Step(x, 31.5f, 13);
        level += Midpoints.Step(x, 45.5f, 15);
        level += Midpoints.Step(x, 61, 16);
        level += Midpoints.Step(x, 79, 20);
        level += Midpoints.Step(x, 101, 24);
        return level;
    }

    /// <summary>Number of a level, 0 … 15.</summary>
    public static int Index(float level) => Vector128.IndexOf(IQ4_NL.Codebook, (sbyte)level);
}

/// <summary>0, ½, 1, 1½, 2, 3, 4, 6 and their negatives: E2M1 of the OCP microscaling formats, of MXFP4.</summary>
internal readonly struct E2M1 : ILevels
{
    private static readonly Vector512<float> Sign = Vector512.Create(-0f);

    public static float Lowest => -6;

    public static float Highest => 6;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Nearest(Vector512<float> x)
    {
        var size = Vector512.Abs(x);
        var level = Midpoints.Step(size, 0.25f, 0.5f);
        level += Midpoints.Step(size, 0.75f, 0.5f);
        level += Midpoints.Step(size, 1.25f, 0.5f);
        level += Midpoints.Step(size, 1.75f, 0.5f);
        level += Midpoints.Step(size, 2.5f, 1);
        level += Midpoints.Step(size, 3.5f, 1);
        level += Midpoints.Step(size, 5, 2);
        return level | (x & Sign);
    }

    /// <summary>Bits of a level: sign, two of exponent, one of mantissa.</summary>
    public static int Bits(float level)
    {
        var size = Math.Abs(level);
        var bits = size switch { 6 => 7, 4 => 6, 3 => 5, _ => (int)(2 * size) };
        return level < 0 ? bits | 8 : bits; // a negative 0 is written as 0
    }
}
