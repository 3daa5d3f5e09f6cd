using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// The contract of a weight format on a GPU: a row is a sequence of units, a unit is what one lane of a warp loads at once. A
/// kernel first loads the units it wants in flight, then widens them to the exact FP32 weights, eight at a time, in the order of
/// <see cref="Part"/>s. All of it is inlined; the numbers here are constants when a kernel is compiled.
/// </summary>
internal interface ILaneFormat
{
    /// <summary>The type in a file.</summary>
    static abstract WeightType Type { get; }

    /// <summary>Weights of one unit: 8, 16 or 32.</summary>
    static abstract int UnitValues { get; }

    /// <summary>Units of one row that a lane keeps in flight when it works on two rows at once: 1, 2 or 4.</summary>
    static abstract int InFlight { get; }

    /// <summary>Whether rows are laid out anew when they are loaded, by <see cref="Repack"/>; else as in the file.</summary>
    static abstract bool Repacks { get; }

    /// <summary>Bytes from one row to the next on the device; a multiple of 16, the width of a load.</summary>
    static abstract long RowBytes(int columns);

    /// <summary>Lays out block <paramref name="block"/> of a row anew.</summary>
    static abstract void Repack(long from, long to, int columns, int block);

    /// <summary>Loads unit <paramref name="unit"/> of a row: loads only, so that several are in flight.</summary>
    static abstract Unit Load(long row, int unit, int columns);

    /// <summary>What all parts of a unit share, its scales for example.</summary>
    static abstract Scales Decode(Unit unit, int index);

    /// <summary>Eight weights: part 0 … UnitValues / 8 − 1 of a unit; inlined with a constant part.</summary>
    static abstract F8 Part(Unit unit, Scales scales, int index, int part);

    /// <summary>The column of the first of a part's weights; the others follow it.</summary>
    static abstract int Column(int index, int part);
}

/// <summary>What a lane has loaded; a format uses the fields that it needs, the others cost nothing.</summary>
internal struct Unit
{
    public U4 A;
    public U4 B;
    public uint C;
    public uint D;
    public U4 E;
}

/// <summary>Scales of the two halves of a unit, and what is added to them.</summary>
internal struct Scales
{
    public float Low;
    public float High;
    public float LowOffset;
    public float HighOffset;
}

/// <summary>Eight neighbouring weights or activations.</summary>
internal struct F8
{
    public F4 A;
    public F4 B;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Of(float a, float b, float c, float d, float e, float f, float g, float h) =>
        new() { A = new F4 { X = a, Y = b, Z = c, W = d }, B = new F4 { X = e, Y = f, Z = g, W = h } };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Load(long address) => new() { A = Dev.LoadF4(address), B = Dev.LoadF4(address + 16) };

    /// <summary>sum + a·b, in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Dot(F8 a, F8 b, float sum)
    {
        sum = Dev.Fma(a.A.X, b.A.X, sum);
        sum = Dev.Fma(a.A.Y, b.A.Y, sum);
        sum = Dev.Fma(a.A.Z, b.A.Z, sum);
        sum = Dev.Fma(a.A.W, b.A.W, sum);
        sum = Dev.Fma(a.B.X, b.B.X, sum);
        sum = Dev.Fma(a.B.Y, b.B.Y, sum);
        sum = Dev.Fma(a.B.Z, b.B.Z, sum);
        return Dev.Fma(a.B.W, b.B.W, sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F8 Multiply(F8 a, F8 b) => Of(
        a.A.X * b.A.X, a.A.Y * b.A.Y, a.A.Z * b.A.Z, a.A.W * b.A.W, a.B.X * b.B.X, a.B.Y * b.B.Y, a.B.Z * b.B.Z, a.B.W * b.B.W);
}

/// <summary>A number known when a kernel is compiled.</summary>
internal interface IConstant
{
    static abstract int Value { get; }
}

/// <summary>0: an option that is off.</summary>
internal struct Zero : IConstant
{
    public static int Value => 0;
}

/// <summary>1: an option that is on.</summary>
internal struct One : IConstant
{
    public static int Value => 1;
}

/// <summary>2.</summary>
internal struct Two : IConstant
{
    public static int Value => 2;
}

/// <summary>3.</summary>
internal struct Three : IConstant
{
    public static int Value => 3;
}

/// <summary>4.</summary>
internal struct Four : IConstant
{
    public static int Value => 4;
}
