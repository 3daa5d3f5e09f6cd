using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>FP32 as in the file; a unit is eight values, two loads.</summary>
internal struct F32 : ILaneFormat
{
    public static WeightType Type => WeightType.F32;

    public static int UnitValues => 8;

    public static int InFlight => 2;

    public static bool Repacks => false;

    public static long RowBytes(int columns) => columns * 4L;

    public static void Repack(long from, long to, int columns, int block)
    {
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Unit Load(long row, int unit, int columns) =>
        new() { A = Dev.LoadWeights(row + (unit * 32L)), B = Dev.LoadWeights(row + (unit * 32L) + 16) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Scales Decode(Unit unit, int index) => default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Part(Unit unit, Scales scales, int index, int part) => F8.Of(
        Interop.IntAsFloat(unit.A.X), Interop.IntAsFloat(unit.A.Y), Interop.IntAsFloat(unit.A.Z), Interop.IntAsFloat(unit.A.W),
        Interop.IntAsFloat(unit.B.X), Interop.IntAsFloat(unit.B.Y), Interop.IntAsFloat(unit.B.Z), Interop.IntAsFloat(unit.B.W));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Column(int index, int part) => index * 8;
}
