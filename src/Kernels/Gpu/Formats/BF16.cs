using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>bfloat16 as in the file; a unit is eight values, one load.</summary>
internal struct BF16 : ILaneFormat
{
    public static WeightType Type => WeightType.BF16;

    public static int UnitValues => 8;

    public static int InFlight => 4;

    public static bool Repacks => false;

    public static long RowBytes(int columns) => columns * 2L;

    public static void Repack(long from, long to, int columns, int block)
    {
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns) => new() { A = Dev.LoadWeights(row + (unit * 16L)) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part) => F8.Of(
        Dev.BFloatLow(unit.A.X), Dev.BFloatHigh(unit.A.X), Dev.BFloatLow(unit.A.Y), Dev.BFloatHigh(unit.A.Y),
        Dev.BFloatLow(unit.A.Z), Dev.BFloatHigh(unit.A.Z), Dev.BFloatLow(unit.A.W), Dev.BFloatHigh(unit.A.W));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => index * 8;
}
