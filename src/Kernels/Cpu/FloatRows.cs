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
        var (sumA2, sumB2) = (L.Zero, L.Zero);
        var i = 0;
        // Two sums a row, for one alone would wait for its own additions.
        for (; i + 32 <= columns; i += 32)
        {
            var (x0, x1) = (L.Load(x + i), L.Load(x + i + 16));
            sumA = L.MultiplyAdd(L.Load(wa + i), x0, sumA);
            sumB = L.MultiplyAdd(L.Load(wb + i), x0, sumB);
            sumA2 = L.MultiplyAdd(L.Load(wa + i + 16), x1, sumA2);
            sumB2 = L.MultiplyAdd(L.Load(wb + i + 16), x1, sumB2);
        }
        if (i + 16 <= columns)
        {
            sumA = L.MultiplyAdd(L.Load(wa + i), L.Load(x + i), sumA);
            sumB = L.MultiplyAdd(L.Load(wb + i), L.Load(x + i), sumB);
            i += 16;
        }
        *ya = Finish(L.Add(sumA, sumA2), wa, x, i, columns);
        *yb = Finish(L.Add(sumB, sumB2), wb, x, i, columns);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Dot4(byte* a, byte* b, float** x, int columns, float* ya, float* yb)
    {
        // Each pair of x is one pass: with 4 × 2 × 2 sums the narrower machines would run out of registers.
        for (var t = 0; t < 4; t += 2) Dot2((TFloat*)a, (TFloat*)b, x[t], x[t + 1], columns, ya + t, yb + t);
    }

    public override void Widen(byte* row, float* to, int columns)
    {
        var w = (TFloat*)row;
        var i = 0;
        for (; i + 16 <= columns; i += 16) L.Store(L.Load(w + i), to + i);
        for (; i < columns; i++) to[i] = TFloat.At(ref w[i], 0);
    }

    public override float At(byte* row, int column) => TFloat.At(ref ((TFloat*)row)[column], 0);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot2(TFloat* a, TFloat* b, float* x, float* z, int columns, float* ya, float* yb)
    {
        var (ax, bx, az, bz) = (L.Zero, L.Zero, L.Zero, L.Zero);
        var (ax2, bx2, az2, bz2) = (L.Zero, L.Zero, L.Zero, L.Zero);
        var i = 0;
        for (; i + 32 <= columns; i += 32)
        {
            var (wa, wb) = (L.Load(a + i), L.Load(b + i));
            var (vx, vz) = (L.Load(x + i), L.Load(z + i));
            ax = L.MultiplyAdd(wa, vx, ax);
            bx = L.MultiplyAdd(wb, vx, bx);
            az = L.MultiplyAdd(wa, vz, az);
            bz = L.MultiplyAdd(wb, vz, bz);
            (wa, wb) = (L.Load(a + i + 16), L.Load(b + i + 16));
            (vx, vz) = (L.Load(x + i + 16), L.Load(z + i + 16));
            ax2 = L.MultiplyAdd(wa, vx, ax2);
            bx2 = L.MultiplyAdd(wb, vx, bx2);
            az2 = L.MultiplyAdd(wa, vz, az2);
            bz2 = L.MultiplyAdd(wb, vz, bz2);
        }
        if (i + 16 <= columns)
        {
            var (wa, wb) = (L.Load(a + i), L.Load(b + i));
            var (vx, vz) = (L.Load(x + i), L.Load(z + i));
            ax = L.MultiplyAdd(wa, vx, ax);
            bx = L.MultiplyAdd(wb, vx, bx);
            az = L.MultiplyAdd(wa, vz, az);
            bz = L.MultiplyAdd(wb, vz, bz);
            i += 16;
        }
        ya[0] = Finish(L.Add(ax, ax2), a, x, i, columns);
        yb[0] = Finish(L.Add(bx, bx2), b, x, i, columns);
        ya[1] = Finish(L.Add(az, az2), a, z, i, columns);
        yb[1] = Finish(L.Add(bz, bz2), b, z, i, columns);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Finish(F lanes, TFloat* w, float* x, int from, int columns)
    {
        var sum = L.Sum(lanes);
        for (var i = from; i < columns; i++) sum += TFloat.At(ref w[i], 0) * x[i];
        return sum;
    }
}
