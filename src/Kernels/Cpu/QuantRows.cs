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
    // The scales of large blocks are unpacked for so many columns at once, ahead of the products, which would otherwise wait for
    // each block's. A block of one part has too little work in its scale for that.
    private const int BatchColumns = 2048;

    // Floats from a batch's scales to its offsets, and the same again to the next row's: room for groups of 16.
    private const int Offsets = BatchColumns / 16;
    private const int NextRow = 2 * Offsets;

    private static bool UnpacksAhead
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TBlock.Values > TBlock.Part;
    }

    [SkipLocalsInit]
    public override void Dot(byte* a, byte* b, float* x, int columns, float* ya, float* yb)
    {
        var (wa, wb) = ((nint)a, (nint)b);
        var scales = stackalloc float[2 * NextRow];
        var sums = stackalloc float[2 * 16];
        new Span<float>(sums, 2 * 16).Clear();
        for (; columns > 0; columns -= BatchColumns, x += BatchColumns)
        {
            var blocks = Math.Min(columns, BatchColumns) / TBlock.Values;
            if (UnpacksAhead)
            {
                Unpack((TBlock*)wa, blocks, scales);
                Unpack((TBlock*)wb, blocks, scales + NextRow);
            }
            AddBatch((TBlock*)wa, (TBlock*)wb, blocks, scales, x, sums);
            wa += blocks * sizeof(TBlock);
            wb += blocks * sizeof(TBlock);
        }
        *ya = L.Sum(L.Load(sums));
        *yb = L.Sum(L.Load(sums + 16));
    }

    [SkipLocalsInit]
    public override void Dot4(byte* a, byte* b, float** x, int columns, float* ya, float* yb)
    {
        var (wa, wb) = ((nint)a, (nint)b);
        var scales = stackalloc float[2 * NextRow];
        var sums = stackalloc float[8 * 16];
        new Span<float>(sums, 8 * 16).Clear();
        for (var from = 0; from < columns; from += BatchColumns)
        {
            var blocks = Math.Min(columns - from, BatchColumns) / TBlock.Values;
            if (UnpacksAhead)
            {
                Unpack((TBlock*)wa, blocks, scales);
                Unpack((TBlock*)wb, blocks, scales + NextRow);
            }
            AddBatch4((TBlock*)wa, (TBlock*)wb, blocks, scales, x, from, sums);
            wa += blocks * sizeof(TBlock);
            wb += blocks * sizeof(TBlock);
        }
        for (var t = 0; t < 4; t++)
        {
            ya[t] = L.Sum(L.Load(sums + (32 * t)));
            yb[t] = L.Sum(L.Load(sums + (32 * t) + 16));
        }
    }

    [SkipLocalsInit]
    public override void Widen(byte* row, float* to, int columns)
    {
        var scales = stackalloc float[NextRow];
        for (var from = 0; from < columns; from += BatchColumns)
        {
            var blocks = Math.Min(columns - from, BatchColumns) / TBlock.Values;
            var w = (TBlock*)row + (from / TBlock.Values);
            if (UnpacksAhead) Unpack(w, blocks, scales);
            WidenBatch(w, blocks, scales, to + from);
        }
    }

    public override float At(byte* row, int column) =>
        TBlock.At(ref ((TBlock*)row)[column / TBlock.Values], column % TBlock.Values);

    /// <summary>Scales of a batch of blocks, and their offsets behind them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Unpack(TBlock* w, int blocks, float* scales)
    {
        for (var end = w + blocks; w != end; w++, scales += TBlock.Values / TBlock.Group) TBlock.Scales(w, scales, scales + Offsets);
    }

    /// <summary>
    /// Adds a batch to the sums [2 rows, 16]. Nothing is called here, and sums come and go through memory: around a call the
    /// compiler would keep them in memory all through the loop.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddBatch(TBlock* a, TBlock* b, int blocks, float* scales, float* x, float* sums)
    {
        var (sumA, sumB) = (L.Load(sums), L.Load(sums + 16));
        var parts = TBlock.Values / TBlock.Part;
        var groupsPart = UnpacksAhead ? TBlock.Part / TBlock.Group : 0;
        var columnsPart = TBlock.Part;
        var second = TBlock.Group == 16 ? 1 : 0;
        for (var end = a + blocks; a != end; a++, b++)
        {
            if (!UnpacksAhead)
            {
                TBlock.Scales(a, scales, scales + Offsets);
                TBlock.Scales(b, scales + NextRow, scales + NextRow + Offsets);
            }
            for (nint part = 0; part < parts; part++, x += columnsPart, scales += groupsPart)
            {
                PrefetchPart(a, part);
                PrefetchPart(b, part);
                if (TBlock.Nibbles && L.HasLookup)
                {
                    sumA = AddNibbles(a, part, scales, x, sumA);
                    sumB = AddNibbles(b, part, scales + NextRow, x, sumB);
                    continue;
                }
                // Written out line by line: how much the compiler inlines depends on the length of what it reads here.
                var s0 = scales;
                sumA = L.MultiplyAdd(Weights(a, part, 0, s0), L.Load(x), sumA);
                sumB = L.MultiplyAdd(Weights(b, part, 0, s0 + NextRow), L.Load(x), sumB);
                sumA = L.MultiplyAdd(Weights(a, part, 1, s0 + second), L.Load(x + 16), sumA);
                sumB = L.MultiplyAdd(Weights(b, part, 1, s0 + second + NextRow), L.Load(x + 16), sumB);
                if (TBlock.Part >= 64)
                {
                    var s1 = scales + (1 << second);
                    sumA = L.MultiplyAdd(Weights(a, part, 2, s1), L.Load(x + 32), sumA);
                    sumB = L.MultiplyAdd(Weights(b, part, 2, s1 + NextRow), L.Load(x + 32), sumB);
                    sumA = L.MultiplyAdd(Weights(a, part, 3, s1 + second), L.Load(x + 48), sumA);
                    sumB = L.MultiplyAdd(Weights(b, part, 3, s1 + second + NextRow), L.Load(x + 48), sumB);
                }
                if (TBlock.Part >= 128)
                {
                    var s2 = scales + (2 << second);
                    sumA = L.MultiplyAdd(Weights(a, part, 4, s2), L.Load(x + 64), sumA);
                    sumB = L.MultiplyAdd(Weights(b, part, 4, s2 + NextRow), L.Load(x + 64), sumB);
                    sumA = L.MultiplyAdd(Weights(a, part, 5, s2 + second), L.Load(x + 80), sumA);
                    sumB = L.MultiplyAdd(Weights(b, part, 5, s2 + second + NextRow), L.Load(x + 80), sumB);
                    var s3 = scales + (3 << second);
                    sumA = L.MultiplyAdd(Weights(a, part, 6, s3), L.Load(x + 96), sumA);
                    sumB = L.MultiplyAdd(Weights(b, part, 6, s3 + NextRow), L.Load(x + 96), sumB);
                    sumA = L.MultiplyAdd(Weights(a, part, 7, s3 + second), L.Load(x + 112), sumA);
                    sumB = L.MultiplyAdd(Weights(b, part, 7, s3 + second + NextRow), L.Load(x + 112), sumB);
                }
            }
        }
        L.Store(sumA, sums);
        L.Store(sumB, sums + 16);
    }

    /// <summary>Adds a batch to the sums [4 tokens, 2 rows, 16]; its x begins at column <paramref name="from"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddBatch4(TBlock* a, TBlock* b, int blocks, float* scales, float** x, int from, float* sums)
    {
        var parts = TBlock.Values / TBlock.Part;
        var groupsPart = UnpacksAhead ? TBlock.Part / TBlock.Group : 0;
        var x0 = x[0] + from;
        var x1 = x[1] + from;
        var x2 = x[2] + from;
        var x3 = x[3] + from;
        var (a0, a1, a2, a3) = (L.Load(sums), L.Load(sums + 32), L.Load(sums + 64), L.Load(sums + 96));
        var (b0, b1, b2, b3) = (L.Load(sums + 16), L.Load(sums + 48), L.Load(sums + 80), L.Load(sums + 112));
        for (var end = a + blocks; a != end; a++, b++)
        {
            if (!UnpacksAhead)
            {
                TBlock.Scales(a, scales, scales + Offsets);
                TBlock.Scales(b, scales + NextRow, scales + NextRow + Offsets);
            }
            for (nint part = 0; part < parts; part++, scales += groupsPart)
            {
                for (var i = 0; i < TBlock.Part / 16; i++)
                {
                    var wa = Weights(a, part, i, scales + (16 * i / TBlock.Group));
                    var wb = Weights(b, part, i, scales + (16 * i / TBlock.Group) + NextRow);
                    var v = L.Load(x0);
                    a0 = L.MultiplyAdd(wa, v, a0);
                    b0 = L.MultiplyAdd(wb, v, b0);
                    v = L.Load(x1);
                    a1 = L.MultiplyAdd(wa, v, a1);
                    b1 = L.MultiplyAdd(wb, v, b1);
                    v = L.Load(x2);
                    a2 = L.MultiplyAdd(wa, v, a2);
                    b2 = L.MultiplyAdd(wb, v, b2);
                    v = L.Load(x3);
                    a3 = L.MultiplyAdd(wa, v, a3);
                    b3 = L.MultiplyAdd(wb, v, b3);
                    x0 += 16;
                    x1 += 16;
                    x2 += 16;
                    x3 += 16;
                }
            }
        }
        L.Store(a0, sums);
        L.Store(b0, sums + 16);
        L.Store(a1, sums + 32);
        L.Store(b1, sums + 48);
        L.Store(a2, sums + 64);
        L.Store(b2, sums + 80);
        L.Store(a3, sums + 96);
        L.Store(b3, sums + 112);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WidenBatch(TBlock* w, int blocks, float* scales, float* to)
    {
        var parts = TBlock.Values / TBlock.Part;
        var groupsPart = UnpacksAhead ? TBlock.Part / TBlock.Group : 0;
        var columnsPart = TBlock.Part;
        var second = TBlock.Group == 16 ? 1 : 0;
        for (var end = w + blocks; w != end; w++)
        {
            if (!UnpacksAhead) TBlock.Scales(w, scales, scales + Offsets);
            for (nint part = 0; part < parts; part++, to += columnsPart, scales += groupsPart)
            {
                if (TBlock.Nibbles && L.HasLookup)
                {
                    var (low, high) = (Table(scales), Table(scales + (groupsPart / 2)));
                    var bytes = L.Indices(TBlock.Nibbles16(w, part, 0));
                    L.Store(L.LookupLow(low, bytes), to);
                    L.Store(L.LookupHigh(high, bytes), to + (TBlock.Part / 2));
                    if (TBlock.Part == 32) continue;
                    bytes = L.Indices(TBlock.Nibbles16(w, part, 1));
                    L.Store(L.LookupLow(low, bytes), to + 16);
                    L.Store(L.LookupHigh(high, bytes), to + 48);
                    continue;
                }
                var s0 = scales;
                L.Store(Weights(w, part, 0, s0), to);
                L.Store(Weights(w, part, 1, s0 + second), to + 16);
                if (TBlock.Part >= 64)
                {
                    var s1 = scales + (1 << second);
                    L.Store(Weights(w, part, 2, s1), to + 32);
                    L.Store(Weights(w, part, 3, s1 + second), to + 48);
                }
                if (TBlock.Part >= 128)
                {
                    var s2 = scales + (2 << second);
                    L.Store(Weights(w, part, 4, s2), to + 64);
                    L.Store(Weights(w, part, 5, s2 + second), to + 80);
                    var s3 = scales + (3 << second);
                    L.Store(Weights(w, part, 6, s3), to + 96);
                    L.Store(Weights(w, part, 7, s3 + second), to + 112);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PrefetchPart(TBlock* w, nint part)
    {
        var at = (byte*)w + (part * (sizeof(TBlock) * TBlock.Part / TBlock.Values)) + Lanes.Ahead;
        Lanes.Prefetch(at);
        if (TBlock.Part >= 128) Lanes.Prefetch(at + 64); // parts are shorter than a line or than two
    }

    /// <summary>Sixteen weights; <paramref name="scale"/> points at their group's scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F Weights(TBlock* w, nint part, int i, float* scale)
    {
        var q = L.Widen(TBlock.Load16(w, part, i));
        return TBlock.HasOffset ? L.MultiplyAdd(q, L.Broadcast(*scale), L.Broadcast(scale[Offsets])) : L.Multiply(q, L.Broadcast(*scale));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F AddNibbles(TBlock* w, nint part, float* scales, float* x, F sum)
    {
        // Conversion, scale and offset are done once for the sixteen values that a group can have.
        var (low, high) = (Table(scales), Table(scales + (TBlock.Part / 2 / TBlock.Group)));
        var a = L.Indices(TBlock.Nibbles16(w, part, 0));
        sum = L.MultiplyAdd(L.LookupLow(low, a), L.Load(x), sum);
        if (TBlock.Part == 32) return L.MultiplyAdd(L.LookupHigh(high, a), L.Load(x + 16), sum);
        var b = L.Indices(TBlock.Nibbles16(w, part, 1));
        sum = L.MultiplyAdd(L.LookupLow(low, b), L.Load(x + 16), sum);
        sum = L.MultiplyAdd(L.LookupHigh(high, a), L.Load(x + 32), sum);
        return L.MultiplyAdd(L.LookupHigh(high, b), L.Load(x + 48), sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F Table(float* scale)
    {
        var values = TBlock.HasCodebook ? L.Widen(TBlock.Codebook) : L.Iota;
        return TBlock.HasOffset ? L.MultiplyAdd(values, L.Broadcast(*scale), L.Broadcast(scale[Offsets])) : L.Multiply(values, L.Broadcast(*scale));
    }
}
