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
        *ya = Finish(sumA, wa, x, i, columns);
        *yb = Finish(sumB, wb, x, i, columns);
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
        ya[0] = Finish(a0, wa, x0, i, columns);
        ya[1] = Finish(a1, wa, x1, i, columns);
        ya[2] = Finish(a2, wa, x2, i, columns);
        ya[3] = Finish(a3, wa, x3, i, columns);
        yb[0] = Finish(b0, wb, x0, i, columns);
        yb[1] = Finish(b1, wb, x1, i, columns);
        yb[2] = Finish(b2, wb, x2, i, columns);
        yb[3] = Finish(b3, wb, x3, i, columns);
    }

    public override void Widen(byte* row, float* to, int columns)
    {
        var w = (TFloat*)row;
        var i = 0;
        for (; i + 16 <= columns; i += 16) L.Store(L.Load(w + i), to + i);
        for (; i < columns; i++) to[i] = TFloat.At(ref w[i], 0);
    }

    public override float At(byte* row, int column) => TFloat.At(ref ((TFloat*)row)[column], 0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Finish(F lanes, TFloat* w, float* x, int from, int columns)
    {
        var sum = L.Sum(lanes);
        for (var i = from; i < columns; i++) sum += TFloat.At(ref w[i], 0) * x[i];
        return sum;
    }
}
