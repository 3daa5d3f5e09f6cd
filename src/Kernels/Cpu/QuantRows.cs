using System.Runtime.CompilerServices;
using WarpDecode.Formats;

namespace WarpDecode.Kernels.Cpu;

/// <summary>
/// Rows of quantized blocks against FP32 x: the integers of a group are widened to FP32 and multiplied with x as they are, and
/// the group's scale is applied once to its sum: acc += scale · Σ q·x + offset · Σ x, sixteen lanes at a time.
/// </summary>
internal sealed unsafe class QuantRows<TBlock, L, F> : RowKernel
    where TBlock : unmanaged, IQuantFormat<TBlock>
    where L : struct, ILanes<F>
    where F : struct
{
    // Most groups that a block of 256 has.
    private const int MaxGroups = 16;

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
            for (var g = 0; g < TBlock.Values / TBlock.Group; g++, x += TBlock.Group)
            {
                sumA = Accumulate(wa, g, x, scales, sumA);
                sumB = Accumulate(wb, g, x, scales + (2 * MaxGroups), sumB);
            }
        }
        *ya = L.Sum(sumA);
        *yb = L.Sum(sumB);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public override void Dot4(byte* a, byte* b, float** x, int columns, float* ya, float* yb)
    {
        var wa = (TBlock*)a;
        var wb = (TBlock*)b;
        var scales = stackalloc float[4 * MaxGroups];
        var x0 = x[0];
        var x1 = x[1];
        var x2 = x[2];
        var x3 = x[3];
        var (a0, a1, a2, a3) = (L.Zero, L.Zero, L.Zero, L.Zero);
        var (b0, b1, b2, b3) = (L.Zero, L.Zero, L.Zero, L.Zero);
        for (var end = wa + (columns / TBlock.Values); wa != end; wa++, wb++)
        {
            TBlock.Scales(wa, scales, scales + MaxGroups);
            TBlock.Scales(wb, scales + (2 * MaxGroups), scales + (3 * MaxGroups));
            for (var g = 0; g < TBlock.Values / TBlock.Group; g++)
            {
                var (q, r) = Widen(wa, g);
                var (scale, offset) = (L.Broadcast(scales[g]), TBlock.HasOffset ? L.Broadcast(scales[MaxGroups + g]) : default);
                a0 = Accumulate(q, r, x0, scale, offset, a0);
                a1 = Accumulate(q, r, x1, scale, offset, a1);
                a2 = Accumulate(q, r, x2, scale, offset, a2);
                a3 = Accumulate(q, r, x3, scale, offset, a3);
                (q, r) = Widen(wb, g);
                (scale, offset) = (L.Broadcast(scales[(2 * MaxGroups) + g]), TBlock.HasOffset ? L.Broadcast(scales[(3 * MaxGroups) + g]) : default);
                b0 = Accumulate(q, r, x0, scale, offset, b0);
                b1 = Accumulate(q, r, x1, scale, offset, b1);
                b2 = Accumulate(q, r, x2, scale, offset, b2);
                b3 = Accumulate(q, r, x3, scale, offset, b3);
                x0 += TBlock.Group;
                x1 += TBlock.Group;
                x2 += TBlock.Group;
                x3 += TBlock.Group;
            }
        }
        (ya[0], ya[1], ya[2], ya[3]) = (L.Sum(a0), L.Sum(a1), L.Sum(a2), L.Sum(a3));
        (yb[0], yb[1], yb[2], yb[3]) = (L.Sum(b0), L.Sum(b1), L.Sum(b2), L.Sum(b3));
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
                var g = 16 * i / TBlock.Group;
                var values = L.Multiply(L.Widen(TBlock.Load16(w, i)), L.Broadcast(scales[g]));
                if (TBlock.HasOffset) values = L.Add(values, L.Broadcast(scales[MaxGroups + g]));
                L.Store(values, to);
            }
        }
    }

    public override float At(byte* row, int column) =>
        TBlock.At(ref ((TBlock*)row)[column / TBlock.Values], column % TBlock.Values);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (F First, F Second) Widen(TBlock* w, int g) => TBlock.Group == 32
        ? (L.Widen(TBlock.Load16(w, 2 * g)), L.Widen(TBlock.Load16(w, (2 * g) + 1)))
        : (L.Widen(TBlock.Load16(w, g)), default);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F Accumulate(TBlock* w, int g, float* x, float* scales, F sum)
    {
        var (q, r) = Widen(w, g);
        return Accumulate(q, r, x, L.Broadcast(scales[g]), TBlock.HasOffset ? L.Broadcast(scales[MaxGroups + g]) : default, sum);
    }

    /// <summary>sum + scale · (q·x + r·x₊₁₆) + offset · (x + x₊₁₆), lane by lane: the one order of additions for every caller.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F Accumulate(F q, F r, float* x, F scale, F offset, F sum)
    {
        var x0 = L.Load(x);
        var products = L.Multiply(q, x0);
        if (TBlock.Group == 32)
        {
            var x1 = L.Load(x + 16);
            products = L.MultiplyAdd(r, x1, products);
            if (TBlock.HasOffset) sum = L.MultiplyAdd(offset, L.Add(x0, x1), sum);
        }
        else if (TBlock.HasOffset)
        {
            sum = L.MultiplyAdd(offset, x0, sum);
        }
        return L.MultiplyAdd(scale, products, sum);
    }
}
