using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>Keys and values in FP32; they and the activations are multiplied in two TF32 terms each, 22 bits. From sm_80.</summary>
internal struct KvF32 : IKvFormat
{
    private const float Largest = 1e38f;

    public static int Bytes => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Element(float value)
    {
        // In this order a NaN becomes a number.
        value = value < Largest ? value : Largest;
        return Interop.FloatAsInt(value > -Largest ? value : -Largest);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static U2 High(float a, float b) => new() { X = High(Interop.FloatAsInt(a)), Y = High(Interop.FloatAsInt(b)) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static U2 Low(float a, float b) => new() { X = Low(Interop.FloatAsInt(a)), Y = Low(Interop.FloatAsInt(b)) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F4 Multiply(U4 high, U4 low, U4 piece, F4 sum)
    {
        sum = Dev.MmaTF32(high.X, low.X, high.Y, low.Y, High(piece.X), High(piece.Y), sum);
        sum = Dev.MmaTF32(high.X, low.X, high.Y, low.Y, Low(piece.X), Low(piece.Y), sum);
        sum = Dev.MmaTF32(high.Z, low.Z, high.W, low.W, High(piece.Z), High(piece.W), sum);
        return Dev.MmaTF32(high.Z, low.Z, high.W, low.W, Low(piece.Z), Low(piece.W), sum);
    }

    // The words as they are: twice as many terms would not fit into registers.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Chunk Split(F4 upper0, F4 lower0, F4 upper1, F4 lower1) =>
        new() { A = Words(upper0), B = Words(lower0), C = Words(upper1), D = Words(lower1) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F4 Multiply(Chunk a, PiecePair pieces, F4 sum)
    {
        sum = Step(a.A.X, a.B.X, a.A.Y, a.B.Y, pieces.A.X, pieces.A.Y, sum);
        sum = Step(a.A.Z, a.B.Z, a.A.W, a.B.W, pieces.A.Z, pieces.A.W, sum);
        sum = Step(a.C.X, a.D.X, a.C.Y, a.D.Y, pieces.B.X, pieces.B.Y, sum);
        return Step(a.C.Z, a.D.Z, a.C.W, a.D.W, pieces.B.Z, pieces.B.W, sum);
    }

    /// <summary>Eight columns: all products of terms but that of both low ones, which is below FP32's precision.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F4 Step(uint a0, uint a1, uint a2, uint a3, uint b0, uint b1, F4 sum)
    {
        sum = Dev.MmaTF32(Behind(a0), Behind(a1), Behind(a2), Behind(a3), b0, b1, sum);
        sum = Dev.MmaTF32(a0, a1, a2, a3, Behind(b0), Behind(b1), sum);
        return Dev.MmaTF32(a0, a1, a2, a3, b0, b1, sum); // which cuts what is behind
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static U4 Words(F4 x) =>
        new() { X = Interop.FloatAsInt(x.X), Y = Interop.FloatAsInt(x.Y), Z = Interop.FloatAsInt(x.Z), W = Interop.FloatAsInt(x.W) };

    /// <summary>What TF32 cuts.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Behind(uint bits) => Interop.FloatAsInt(Interop.IntAsFloat(bits) - Interop.IntAsFloat(bits & 0xFFFFE000));

    // To the nearest: half of the last place that TF32 keeps is added, and the multiplication cuts what is behind.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint High(uint bits) => (bits + 0x1000) & 0xFFFFE000;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Low(uint bits) => Interop.FloatAsInt(Interop.IntAsFloat(bits) - Interop.IntAsFloat(High(bits))) + 0x1000;
}
