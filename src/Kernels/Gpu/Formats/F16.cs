using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>IEEE half precision as in the file; a unit is eight values, one load.</summary>
internal struct F16 : ILaneFormat
{
    public static WeightType Type => WeightType.F16;

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
        Dev.Half(unit.A.X), Dev.Half(unit.A.X >> 16), Dev.Half(unit.A.Y), Dev.Half(unit.A.Y >> 16),
        Dev.Half(unit.A.Z), Dev.Half(unit.A.Z >> 16), Dev.Half(unit.A.W), Dev.Half(unit.A.W >> 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => index * 8;
}
