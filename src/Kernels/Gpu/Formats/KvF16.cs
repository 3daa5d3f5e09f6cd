using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>Keys and values in IEEE half precision; activations in two halves, 22 bits.</summary>
internal struct KvF16 : IKvFormat
{
    private const float Largest = 65504;

    public static int Bytes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Element(float value)
    {
        // In this order a NaN becomes a number.
        value = value < Largest ? value : Largest;
        value = value > -Largest ? value : -Largest;
        return Interop.FloatAsInt((ILGPU.Half)value);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static U2 High(float a, float b) => new() { X = Element(a) | (Element(b) << 16) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static U2 Low(float a, float b) => new() { X = Element(Rest(a)) | (Element(Rest(b)) << 16) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F4 Multiply(U4 high, U4 low, U4 piece, F4 sum)
    {
        sum = Dev.MmaF16(high.X, low.X, high.Y, low.Y, piece.X, piece.Y, sum);
        return Dev.MmaF16(high.Z, low.Z, high.W, low.W, piece.Z, piece.W, sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Chunk Split(F4 upper0, F4 lower0, F4 upper1, F4 lower1) => new()
    {
        A = new U4 { X = High(upper0.X, upper0.Y).X, Y = High(lower0.X, lower0.Y).X, Z = High(upper0.Z, upper0.W).X, W = High(lower0.Z, lower0.W).X },
        B = new U4 { X = Low(upper0.X, upper0.Y).X, Y = Low(lower0.X, lower0.Y).X, Z = Low(upper0.Z, upper0.W).X, W = Low(lower0.Z, lower0.W).X },
        C = new U4 { X = High(upper1.X, upper1.Y).X, Y = High(lower1.X, lower1.Y).X, Z = High(upper1.Z, upper1.W).X, W = High(lower1.Z, lower1.W).X },
        D = new U4 { X = Low(upper1.X, upper1.Y).X, Y = Low(lower1.X, lower1.Y).X, Z = Low(upper1.Z, upper1.W).X, W = Low(lower1.Z, lower1.W).X },
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F4 Multiply(Chunk a, PiecePair pieces, F4 sum)
    {
        var k = pieces.A;
        sum = Dev.MmaF16(a.A.X, a.A.Y, a.A.Z, a.A.W, k.X, k.Y, sum);
        sum = Dev.MmaF16(a.B.X, a.B.Y, a.B.Z, a.B.W, k.X, k.Y, sum);
        sum = Dev.MmaF16(a.C.X, a.C.Y, a.C.Z, a.C.W, k.Z, k.W, sum);
        return Dev.MmaF16(a.D.X, a.D.Y, a.D.Z, a.D.W, k.Z, k.W, sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Rest(float value) => value - Dev.Half(Element(value));
}
