using System.Runtime.CompilerServices;
using WarpDecode.Formats;

namespace WarpDecode.Kernels.Cpu;

/// <summary>Rows of plain floating-point numbers. Columns beyond a multiple of 16 are added last, one by one.</summary>
internal sealed unsafe class FloatRows<TFloat, L, F> : RowKernel
    where TFloat : unmanaged, IFloatFormat<TFloat>
    where L : struct, ILanes<F>
    where F : struct
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Dot(byte* a, byte* b, float* x, int columns, float* ya, float* yb)
    {
        var wa = (TFloat*)a;
        var wb = (TFloat*)b;
        var (sumA, sumB) = (L.Zero, L.Zero);
        var i = 0;
        for (; i + 16 <= columns; i += 16)
        {
            Lanes.Prefetch((byte*)(wa + i) + Lanes.Ahead);
            Lanes.Prefetch((byte*)(wb + i) + Lanes.Ahead);
            var x0 = L.Load(x + i);
            sumA = L.MultiplyAdd(L.Load(wa + i), x0, sumA);
            sumB = L.MultiplyAdd(L.Load(wb + i), x0, sumB);
        }
        *ya = L.Sum(sumA);
        *yb = L.Sum(sumB);
        if (i < columns) (*ya, *yb) = (AddRest(*ya, wa, x, i, columns), AddRest(*yb, wb, x, i, columns));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void DotPairs(byte* a, byte* b, long next, float* x, int columns, float* ya, float* yb)
    {
        var wa = (TFloat*)a;
        var wb = (TFloat*)b;
        var wc = (TFloat*)(a + next);
        var wd = (TFloat*)(b + next);
        var (sumA, sumB, sumC, sumD) = (L.Zero, L.Zero, L.Zero, L.Zero);
        var i = 0;
        for (; i + 16 <= columns; i += 16)
        {
            Lanes.Prefetch((byte*)(wa + i) + Lanes.Ahead);
            Lanes.Prefetch((byte*)(wb + i) + Lanes.Ahead);
            Lanes.Prefetch((byte*)(wc + i) + Lanes.Ahead);
            Lanes.Prefetch((byte*)(wd + i) + Lanes.Ahead);
            var x0 = L.Load(x + i);
            sumA = L.MultiplyAdd(L.Load(wa + i), x0, sumA);
            sumB = L.MultiplyAdd(L.Load(wb + i), x0, sumB);
            sumC = L.MultiplyAdd(L.Load(wc + i), x0, sumC);
            sumD = L.MultiplyAdd(L.Load(wd + i), x0, sumD);
        }
        (ya[0], yb[0], ya[1], yb[1]) = (L.Sum(sumA), L.Sum(sumB), L.Sum(sumC), L.Sum(sumD));
        if (i == columns) return;
        (ya[0], yb[0]) = (AddRest(ya[0], wa, x, i, columns), AddRest(yb[0], wb, x, i, columns));
        (ya[1], yb[1]) = (AddRest(ya[1], wc, x, i, columns), AddRest(yb[1], wd, x, i, columns));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Dot4(byte* a, byte* b, float** x, int columns, float* ya, float* yb)
    {
        var wa = (TFloat*)a;
        var wb = (TFloat*)b;
        var x0 = x[0];
        var x1 = x[1];
        var x2 = x[2];
        var x3 = x[3];
        var (a0, a1, a2, a3) = (L.Zero, L.Zero, L.Zero, L.Zero);
        var (b0, b1, b2, b3) = (L.Zero, L.Zero, L.Zero, L.Zero);
        var i = 0;
        for (; i + 16 <= columns; i += 16)
        {
            var (va, vb) = (L.Load(wa + i), L.Load(wb + i));
            var v = L.Load(x0 + i);
            a0 = L.MultiplyAdd(va, v, a0);
            b0 = L.MultiplyAdd(vb, v, b0);
            v = L.Load(x1 + i);
            a1 = L.MultiplyAdd(va, v, a1);
            b1 = L.MultiplyAdd(vb, v, b1);
            v = L.Load(x2 + i);
            a2 = L.MultiplyAdd(va, v, a2);
            b2 = L.MultiplyAdd(vb, v, b2);
            v = L.Load(x3 + i);
            a3 = L.MultiplyAdd(va, v, a3);
            b3 = L.MultiplyAdd(vb, v, b3);
        }
        (ya[0], ya[1], ya[2], ya[3]) = (L.Sum(a0), L.Sum(a1), L.Sum(a2), L.Sum(a3));
        (yb[0], yb[1], yb[2], yb[3]) = (L.Sum(b0), L.Sum(b1), L.Sum(b2), L.Sum(b3));
        if (i == columns) return;
        for (var t = 0; t < 4; t++) (ya[t], yb[t]) = (AddRest(ya[t], wa, x[t], i, columns), AddRest(yb[t], wb, x[t], i, columns));
    }

    public override void Widen(byte* row, float* to, int columns)
    {
        var w = (TFloat*)row;
        var i = 0;
        for (; i + 16 <= columns; i += 16) L.Store(L.Load(w + i), to + i);
        for (; i < columns; i++) to[i] = TFloat.At(ref w[i], 0);
    }

    public override float At(byte* row, int column) => TFloat.At(ref ((TFloat*)row)[column], 0);

    // Not inlined: around the calls in it the compiler would keep the sums in memory all through the loops.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static float AddRest(float sum, TFloat* w, float* x, int from, int columns)
    {
        for (var i = from; i < columns; i++) sum += TFloat.At(ref w[i], 0) * x[i];
        return sum;
    }
}
