using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu.Formats;

/// <summary>
/// Keys and values in bfloat16. Multiplied as halves, which are finer: so activations keep 22 bits, and every GPU can. Values beyond the
/// halves' ±65504 are cut to it, those below 2⁻¹⁴ lose what is below 2⁻²⁴.
/// </summary>
internal struct KvBF16 : IKvFormat
{
    private const float Largest = 65280; // the largest bfloat16 that is a half

    public static int Bytes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Element(float value)
    {
        value = value < Largest ? value : Largest;
        value = value > -Largest ? value : -Largest;
        var bits = Interop.FloatAsInt(value);
        return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16; // to the nearest, ties to even
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static U2 High(float a, float b) => KvF16.High(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static U2 Low(float a, float b) => KvF16.Low(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F4 Multiply(U4 high, U4 low, U4 piece, F4 sum) => KvF16.Multiply(high, low, Halves(piece), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Chunk Split(F4 upper0, F4 lower0, F4 upper1, F4 lower1) => KvF16.Split(upper0, lower0, upper1, lower1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static F4 Multiply(Chunk activations, PiecePair pieces, F4 sum) => KvF16.Multiply(activations, new PiecePair { A = Halves(pieces.A) }, sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static U4 Halves(U4 piece) => new() { X = Pair(piece.X), Y = Pair(piece.Y), Z = Pair(piece.Z), W = Pair(piece.W) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Pair(uint word) =>
        (uint)Interop.FloatAsInt((ILGPU.Half)Dev.BFloatLow(word)) | ((uint)Interop.FloatAsInt((ILGPU.Half)Dev.BFloatHigh(word)) << 16);
}
