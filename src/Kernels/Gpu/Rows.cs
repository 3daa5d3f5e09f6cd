using System.Runtime.CompilerServices;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Running sums of one lane: products of x with one or two rows, and the squares of x.</summary>
internal struct Sums
{
    public float A;
    public float B;
    public float Squares;
}

/// <summary>
/// What the warp kernels share: a lane's arithmetic on one unit of one or two rows. The order of additions of a (row, x) is the
/// same in all of them, whatever else the warp does meanwhile.
/// </summary>
internal static class Rows
{
    /// <summary>Threads of a block: eight warps.</summary>
    public const int Threads = 256;

    /// <summary>Warps of a block.</summary>
    public const int Warps = Threads / 32;

    public static readonly LaunchBounds Bounds = new(Threads, 2);

    /// <summary>sum + unit · x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Dot<TFormat>(Unit unit, int index, long x, float sum)
        where TFormat : struct, ILaneFormat
    {
        var scales = TFormat.Decode(unit, index);
        sum = DotPart<TFormat>(unit, scales, index, 0, x, sum);
        if (TFormat.UnitValues > 8) sum = DotPart<TFormat>(unit, scales, index, 1, x, sum);
        if (TFormat.UnitValues > 16)
        {
            sum = DotPart<TFormat>(unit, scales, index, 2, x, sum);
            sum = DotPart<TFormat>(unit, scales, index, 3, x, sum);
        }
        return sum;
    }

    /// <summary>Two rows and one x, which is read once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Sums Dot2<TFormat>(Unit a, Unit b, int index, long x, Sums sums)
        where TFormat : struct, ILaneFormat
    {
        var (scalesA, scalesB) = (TFormat.Decode(a, index), TFormat.Decode(b, index));
        sums = Dot2Part<TFormat>(a, b, scalesA, scalesB, index, 0, x, sums);
        if (TFormat.UnitValues > 8) sums = Dot2Part<TFormat>(a, b, scalesA, scalesB, index, 1, x, sums);
        if (TFormat.UnitValues > 16)
        {
            sums = Dot2Part<TFormat>(a, b, scalesA, scalesB, index, 2, x, sums);
            sums = Dot2Part<TFormat>(a, b, scalesA, scalesB, index, 3, x, sums);
        }
        return sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float DotPart<TFormat>(Unit unit, Scales scales, int index, int part, long x, float sum)
        where TFormat : struct, ILaneFormat =>
        F8.Dot(TFormat.Part(unit, scales, index, part), F8.Load(x + (TFormat.Column(index, part) * 4L)), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Sums Dot2Part<TFormat>(Unit a, Unit b, Scales scalesA, Scales scalesB, int index, int part, long x, Sums sums)
        where TFormat : struct, ILaneFormat
    {
        var values = F8.Load(x + (TFormat.Column(index, part) * 4L));
        sums.A = F8.Dot(TFormat.Part(a, scalesA, index, part), values, sums.A);
        sums.B = F8.Dot(TFormat.Part(b, scalesB, index, part), values, sums.B);
        return sums;
    }
}
