using System.Runtime.CompilerServices;
using WarpDecode.Formats;

namespace WarpDecode.Kernels.Cpu;

/// <summary>
/// Rows of blocks that are widened whole, then multiplied: sum[l] += w[16i + l] · x[16i + l] in sixteen lanes l, for i = 0, 1, …,
/// the same order as <see cref="FloatRows{TFloat, L, F}"/>.
/// </summary>
internal sealed unsafe class WidenedRows<TBlock, L, F> : RowKernel
    where TBlock : unmanaged, IWidenFormat<TBlock>
    where L : struct, ILanes<F>
    where F : struct
{
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Dot(byte* a, byte* b, float* x, int columns, float* ya, float* yb)
    {
        var weights = stackalloc float[2 * TBlock.Values];
        var wa = (TBlock*)a;
        var wb = (TBlock*)b;
        var (sumA, sumB) = (L.Zero, L.Zero);
        for (var end = wa + (columns / TBlock.Values); wa != end; wa++, wb++)
        {
            Lanes.Prefetch((byte*)wa + Lanes.Ahead);
            Lanes.Prefetch((byte*)wb + Lanes.Ahead);
            TBlock.Widen(wa, weights);
            TBlock.Widen(wb, weights + TBlock.Values);
            for (var i = 0; i < TBlock.Values; i += 16, x += 16)
            {
                var x0 = L.Load(x);
                sumA = L.MultiplyAdd(L.Load(weights + i), x0, sumA);
                sumB = L.MultiplyAdd(L.Load(weights + TBlock.Values + i), x0, sumB);
            }
        }
        *ya = L.Sum(sumA);
        *yb = L.Sum(sumB);
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Dot4(byte* a, byte* b, float** x, int columns, float* ya, float* yb)
    {
        var weights = stackalloc float[2 * TBlock.Values];
        var wa = (TBlock*)a;
        var wb = (TBlock*)b;
        var (a0, a1, a2, a3) = (L.Zero, L.Zero, L.Zero, L.Zero);
        var (b0, b1, b2, b3) = (L.Zero, L.Zero, L.Zero, L.Zero);
        var (x0, x1, x2, x3) = ((nint)x[0], (nint)x[1], (nint)x[2], (nint)x[3]);
        nint at = 0;
        for (var end = wa + (columns / TBlock.Values); wa != end; wa++, wb++)
        {
            TBlock.Widen(wa, weights);
            TBlock.Widen(wb, weights + TBlock.Values);
            for (var i = 0; i < TBlock.Values; i += 16, at += 16 * sizeof(float))
            {
                var (va, vb) = (L.Load(weights + i), L.Load(weights + TBlock.Values + i));
                var v = L.Load((float*)(x0 + at));
                a0 = L.MultiplyAdd(va, v, a0);
                b0 = L.MultiplyAdd(vb, v, b0);
                v = L.Load((float*)(x1 + at));
                a1 = L.MultiplyAdd(va, v, a1);
                b1 = L.MultiplyAdd(vb, v, b1);
                v = L.Load((float*)(x2 + at));
                a2 = L.MultiplyAdd(va, v, a2);
                b2 = L.MultiplyAdd(vb, v, b2);
                v = L.Load((float*)(x3 + at));
                a3 = L.MultiplyAdd(va, v, a3);
                b3 = L.MultiplyAdd(vb, v, b3);
            }
        }
        (ya[0], ya[1], ya[2], ya[3]) = (L.Sum(a0), L.Sum(a1), L.Sum(a2), L.Sum(a3));
        (yb[0], yb[1], yb[2], yb[3]) = (L.Sum(b0), L.Sum(b1), L.Sum(b2), L.Sum(b3));
    }

    public override void Widen(byte* row, float* to, int columns)
    {
        for (var (block, end) = ((nint)row, (nint)to + (columns * (nint)sizeof(float))); (nint)to != end; to += TBlock.Values, block += sizeof(TBlock))
            TBlock.Widen((TBlock*)block, to);
    }

    public override float At(byte* row, int column) => TBlock.At(ref ((TBlock*)row)[column / TBlock.Values], column % TBlock.Values);
}
