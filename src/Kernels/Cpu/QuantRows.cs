using System.Runtime.CompilerServices;
using WarpDecode.Formats;

namespace WarpDecode.Kernels.Cpu;

/// <summary>
/// Rows of quantized blocks against FP32 x: integers are widened to the exact FP32 weight, w = scale · q + offset, and
/// sum[l] += w[16i + l] · x[16i + l] in sixteen lanes l, for i = 0, 1, …: the same order as <see cref="FloatRows{TFloat, L, F}"/>.
/// </summary>
internal sealed unsafe class QuantRows<TBlock, L, F> : RowKernel
    where TBlock : unmanaged, IQuantFormat<TBlock>
    where L : struct, ILanes<F>
    where F : struct
{
    // Most groups that a block of 256 has.
    private const int MaxGroups = 16;

    private static int PartBytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => sizeof(TBlock) * TBlock.Part / TBlock.Values;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public override void Dot(byte* a, byte* b, float* x, int columns, float* ya, float* yb)
    {
        var wa = (TBlock*)a;
        var wb = (TBlock*)b;
        var scales = stackalloc float[4 * MaxGroups];
        var (sumA, sumB) = (L.Zero, L.Zero);
        for (var end = wa + (columns / TBlock.Values); wa != end; wa++, wb++)
        {
            TBlock.Scales(wa, scales, scales + MaxGroups);
            TBlock.Scales(wb, scales + (2 * MaxGroups), scales + (3 * MaxGroups));
            var s = scales;
            for (var part = 0; part < TBlock.Values / TBlock.Part; part++, x += TBlock.Part, s += TBlock.Part / TBlock.Group)
            {
                var ahead = (part * PartBytes) + Lanes.Ahead;
                Lanes.Prefetch((byte*)wa + ahead);
                Lanes.Prefetch((byte*)wb + ahead);
                if (TBlock.Part >= 128)
                {
                    Lanes.Prefetch((byte*)wa + ahead + 64);
                    Lanes.Prefetch((byte*)wb + ahead + 64);
                }
                (sumA, sumB) = Add32(wa, wb, part, 0, x, s, sumA, sumB);
                if (TBlock.Part >= 64) (sumA, sumB) = Add32(wa, wb, part, 2, x, s, sumA, sumB);
                if (TBlock.Part >= 128)
                {
                    (sumA, sumB) = Add32(wa, wb, part, 4, x, s, sumA, sumB);
                    (sumA, sumB) = Add32(wa, wb, part, 6, x, s, sumA, sumB);
                }
            }
        }
        *ya = L.Sum(sumA);
        *yb = L.Sum(sumB);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public override void Dot4(byte* a, byte* b, float** x, int columns, float* ya, float* yb)
    {
        for (var t = 0; t < 4; t++) Dot(a, b, x[t], columns, ya + t, yb + t);
    }

    [SkipLocalsInit]
    public override void Widen(byte* row, float* to, int columns)
    {
        var scales = stackalloc float[2 * MaxGroups];
        var w = (TBlock*)row;
        for (var end = w + (columns / TBlock.Values); w != end; w++)
        {
            TBlock.Scales(w, scales, scales + MaxGroups);
            for (var i = 0; i < TBlock.Values / 16; i++, to += 16)
            {
                L.Store(Weights(w, i / (TBlock.Part / 16), i % (TBlock.Part / 16), scales + (16 * i / TBlock.Group)), to);
            }
        }
    }

    public override float At(byte* row, int column) =>
        TBlock.At(ref ((TBlock*)row)[column / TBlock.Values], column % TBlock.Values);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (F A, F B) Add32(TBlock* a, TBlock* b, int part, int i, float* x, float* scales, F sumA, F sumB)
    {
        var x0 = L.Load(x + (16 * i));
        var s = scales + (16 * i / TBlock.Group);
        sumA = L.MultiplyAdd(Weights(a, part, i, s), x0, sumA);
        sumB = L.MultiplyAdd(Weights(b, part, i, s + (2 * MaxGroups)), x0, sumB);
        var x1 = L.Load(x + (16 * i) + 16);
        s = scales + (16 * (i + 1) / TBlock.Group);
        sumA = L.MultiplyAdd(Weights(a, part, i + 1, s), x1, sumA);
        sumB = L.MultiplyAdd(Weights(b, part, i + 1, s + (2 * MaxGroups)), x1, sumB);
        return (sumA, sumB);
    }

    /// <summary>Sixteen weights; <paramref name="scale"/> points at their group's scale, with its offset behind.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F Weights(TBlock* w, int part, int i, float* scale)
    {
        var q = L.Widen(TBlock.Load16(w, part, i));
        return TBlock.HasOffset
            ? L.MultiplyAdd(q, L.Broadcast(*scale), L.Broadcast(scale[MaxGroups]))
            : L.Multiply(q, L.Broadcast(*scale));
    }
}
