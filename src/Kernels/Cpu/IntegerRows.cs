using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using WarpDecode.Formats;

namespace WarpDecode.Kernels.Cpu;

/// <summary>
/// Rows of quantized weights against activations quantized to 8 bits, as the conventional path multiplies them: integer products
/// within 32 columns, scaled and added in FP32. Like <see cref="RowKernel"/>, one (row, x) gives the same bits in every method.
/// </summary>
internal abstract unsafe class IntegerRows
{
    /// <summary>Activations that share a scale.</summary>
    public const int Block = 32;

    /// <summary>Bytes of one quantized x of <paramref name="columns"/> values.</summary>
    public abstract int RowBytes(int columns);

    /// <summary>
    /// Quantizes x: for 32 values d = max|x| / 127, q = x / d rounded to nearest, ties to even. As GGML's Q8_0 and Q8_1, but d stays FP32
    /// where those round it to a half: that only helps the path. A NaN makes its block NaN.
    /// </summary>
    public abstract void Quantize(float* x, int columns, byte* to);

    /// <summary>Dot products of two rows (or one twice) with one quantized x.</summary>
    public abstract void Dot(byte* a, byte* b, byte* x, int columns, float* ya, float* yb);

    /// <summary>Dot products of two rows with four quantized x, <paramref name="stride"/> bytes apart.</summary>
    public abstract void Dot4(byte* a, byte* b, byte* x, int stride, int columns, float* ya, float* yb);
}

/// <summary>Integer rows of one format.</summary>
internal sealed unsafe class IntegerRows<TBlock, L, F, V, W> : IntegerRows
    where TBlock : unmanaged, IQuantFormat<TBlock>
    where L : struct, ILanes<F>
    where F : struct
    where V : struct, IIntegerLanes<W, F>
    where W : struct
{
    // As in QuantRows: the weights' scales are unpacked for so many columns, ahead of the products.
    private const int BatchColumns = 2048;
    private const int Offsets = BatchColumns / 16;
    private const int NextRow = 2 * Offsets;

    public override int RowBytes(int columns) => (new Activations(null, columns).Bytes + 63) & ~63;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Quantize(float* x, int columns, byte* to)
    {
        var row = new Activations(to, columns);
        for (var at = 0; at < columns; at += Block)
        {
            var (a, b) = (Vector256.Load(x + at), Vector256.Load(x + at + 8));
            var (c, d) = (Vector256.Load(x + at + 16), Vector256.Load(x + at + 24));
            var most = Vector256.Max(Vector256.Max(Vector256.Abs(a), Vector256.Abs(b)), Vector256.Max(Vector256.Abs(c), Vector256.Abs(d)));
            var four = Vector128.Max(most.GetLower(), most.GetUpper());
            var two = Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
            var largest = MathF.Max(two[0], two[1]); // NaN if any is
            var inverse = 127 / largest;
            var scale = largest / 127;
            if (float.IsInfinity(inverse)) (inverse, scale) = (0, 0); // all zero, or too small to divide by
            row.D[at / Block] = scale;
            var factor = Vector256.Create(inverse);
            var (i, j) = (Integer(a * factor), Integer(b * factor));
            var (k, l) = (Integer(c * factor), Integer(d * factor));
            Vector256.Narrow(Vector256.Narrow(i, j), Vector256.Narrow(k, l)).Store(row.Q + at);
            if (TBlock.Group == 16)
            {
                row.S[at / 16] = scale * Vector256.Sum(i + j);
                row.S[(at / 16) + 1] = scale * Vector256.Sum(k + l);
            }
            else
            {
                row.S[at / 32] = scale * Vector256.Sum((i + j) + (k + l));
            }
        }
        if (!TBlock.IsUnsigned) Integers.Corrections(row.Q, row.Corrections, columns);
    }

    [SkipLocalsInit]
    public override void Dot(byte* a, byte* b, byte* x, int columns, float* ya, float* yb)
    {
        var row = new Activations(x, columns);
        var scales = stackalloc float[2 * NextRow];
        var sums = stackalloc float[16];
        new Span<float>(sums, 16).Clear();
        var (offsetA, offsetB) = (0f, 0f);
        for (var from = 0; from < columns; from += BatchColumns)
        {
            var blocks = Math.Min(columns - from, BatchColumns) / TBlock.Values;
            var wa = (TBlock*)a + (from / TBlock.Values);
            var wb = (TBlock*)b + (from / TBlock.Values);
            Unpack(wa, blocks, scales);
            Unpack(wb, blocks, scales + NextRow);
            AddBatch(wa, wb, blocks, scales, row.Q + from, row.Corrections + (from / 4), row.D + (from / Block), sums);
            if (!TBlock.HasOffset) continue;
            var groups = blocks * (TBlock.Values / TBlock.Group);
            offsetA += DotOffsets(scales + Offsets, row.S + (from / TBlock.Group), groups);
            offsetB += DotOffsets(scales + NextRow + Offsets, row.S + (from / TBlock.Group), groups);
        }
        V.Sums(L.Load(sums), ya, yb);
        if (TBlock.HasOffset) (*ya, *yb) = (*ya + offsetA, *yb + offsetB);
    }

    [SkipLocalsInit]
    public override void Dot4(byte* a, byte* b, byte* x, int stride, int columns, float* ya, float* yb)
    {
        var row = new Activations(x, columns);
        var scales = stackalloc float[2 * NextRow];
        var sums = stackalloc float[4 * 16];
        var offsets = stackalloc float[8];
        new Span<float>(sums, 4 * 16).Clear();
        new Span<float>(offsets, 8).Clear();
        for (var from = 0; from < columns; from += BatchColumns)
        {
            var blocks = Math.Min(columns - from, BatchColumns) / TBlock.Values;
            var wa = (TBlock*)a + (from / TBlock.Values);
            var wb = (TBlock*)b + (from / TBlock.Values);
            Unpack(wa, blocks, scales);
            Unpack(wb, blocks, scales + NextRow);
            AddBatch4(wa, wb, blocks, scales, row.Q + from, row.Corrections + (from / 4), row.D + (from / Block), stride, sums);
            if (!TBlock.HasOffset) continue;
            var groups = blocks * (TBlock.Values / TBlock.Group);
            for (var t = 0; t < 4; t++)
            {
                var s = (float*)((byte*)row.S + (t * (nint)stride)) + (from / TBlock.Group);
                offsets[t] += DotOffsets(scales + Offsets, s, groups);
                offsets[4 + t] += DotOffsets(scales + NextRow + Offsets, s, groups);
            }
        }
        for (var t = 0; t < 4; t++)
        {
            V.Sums(L.Load(sums + (16 * t)), ya + t, yb + t);
            if (TBlock.HasOffset) (ya[t], yb[t]) = (ya[t] + offsets[t], yb[t] + offsets[4 + t]);
        }
    }

    // To nearest, ties to even; NaN becomes 0, its block's scale says what it was.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Integer(Vector256<float> x) => Vector256.ConvertToInt32(Vector256.Round(x));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Unpack(TBlock* w, int blocks, float* scales)
    {
        for (var end = w + blocks; w != end; w++, scales += TBlock.Values / TBlock.Group) TBlock.Scales(w, scales, scales + Offsets);
    }

    /// <summary>Σ offset · d · Σq over the groups: what the offsets of a row's weights add to its product.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float DotOffsets(float* offsets, float* s, int groups)
    {
        var sum = Vector256<float>.Zero;
        var g = 0;
        for (; g + 8 <= groups; g += 8) sum = Vector256.MultiplyAddEstimate(Vector256.Load(offsets + g), Vector256.Load(s + g), sum);
        var total = Lanes.Sum(sum.GetLower() + sum.GetUpper());
        for (; g < groups; g++) total += offsets[g] * s[g];
        return total;
    }

    /// <summary>Adds a batch to the sums [16]. Nothing is called here, for the reason given in QuantRows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddBatch(TBlock* a, TBlock* b, int blocks, float* scales, sbyte* x, int* corrections, float* d, float* sums)
    {
        var sum = L.Load(sums);
        var parts = TBlock.Values / TBlock.Part;
        var unit = 32 / TBlock.Group; // scales of 32 weights
        for (var end = a + blocks; a != end; a++, b++)
        {
            for (nint part = 0; part < parts; part++)
            {
                PrefetchPart(a, part);
                PrefetchPart(b, part);
                sum = Add(a, b, part, 0, scales, x, corrections, d, sum);
                if (TBlock.Part >= 64) sum = Add(a, b, part, 1, scales + unit, x + 32, corrections + 8, d + 1, sum);
                if (TBlock.Part >= 128)
                {
                    sum = Add(a, b, part, 2, scales + (2 * unit), x + 64, corrections + 16, d + 2, sum);
                    sum = Add(a, b, part, 3, scales + (3 * unit), x + 96, corrections + 24, d + 3, sum);
                }
                x += TBlock.Part;
                corrections += TBlock.Part / 4;
                d += TBlock.Part / Block;
                scales += TBlock.Part / TBlock.Group;
            }
        }
        L.Store(sum, sums);
    }

    /// <summary>Adds a batch to the sums [4 tokens, 16].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddBatch4(
        TBlock* a, TBlock* b, int blocks, float* scales, sbyte* x, int* corrections, float* d, nint stride, float* sums)
    {
        var (s0, s1, s2, s3) = (L.Load(sums), L.Load(sums + 16), L.Load(sums + 32), L.Load(sums + 48));
        var parts = TBlock.Values / TBlock.Part;
        for (var end = a + blocks; a != end; a++, b++)
        {
            for (nint part = 0; part < parts; part++)
            {
                PrefetchPart(a, part);
                PrefetchPart(b, part);
                for (var i = 0; i < TBlock.Part / 32; i++)
                {
                    var w = V.Join(TBlock.Load16(a, part, 2 * i), TBlock.Load16(a, part, (2 * i) + 1),
                        TBlock.Load16(b, part, 2 * i), TBlock.Load16(b, part, (2 * i) + 1), TBlock.IsUnsigned);
                    var scale = Scale(scales);
                    s0 = AddToken(w, scale, x, corrections, d, 0, s0);
                    s1 = AddToken(w, scale, x, corrections, d, stride, s1);
                    s2 = AddToken(w, scale, x, corrections, d, 2 * stride, s2);
                    s3 = AddToken(w, scale, x, corrections, d, 3 * stride, s3);
                    x += 32;
                    corrections += 8;
                    d++;
                    scales += 32 / TBlock.Group;
                }
            }
        }
        L.Store(s0, sums);
        L.Store(s1, sums + 16);
        L.Store(s2, sums + 32);
        L.Store(s3, sums + 48);
    }

    /// <summary>Adds 32 columns of both rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F Add(TBlock* a, TBlock* b, nint part, int i, float* scale, sbyte* x, int* corrections, float* d, F sum)
    {
        var w = V.Join(TBlock.Load16(a, part, 2 * i), TBlock.Load16(a, part, (2 * i) + 1),
            TBlock.Load16(b, part, 2 * i), TBlock.Load16(b, part, (2 * i) + 1), TBlock.IsUnsigned);
        return L.MultiplyAdd(V.Dot(w, x, corrections, TBlock.IsUnsigned), L.Multiply(Scale(scale), L.Broadcast(*d)), sum);
    }

    /// <summary>Adds 32 columns of both rows for a token whose x lies <paramref name="offset"/> bytes on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F AddToken(W w, F scale, sbyte* x, int* corrections, float* d, nint offset, F sum)
    {
        var products = V.Dot(w, x + offset, (int*)((byte*)corrections + offset), TBlock.IsUnsigned);
        return L.MultiplyAdd(products, L.Multiply(scale, L.Broadcast(*(float*)((byte*)d + offset))), sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F Scale(float* scale) =>
        TBlock.Group == 16 ? V.Quarters(scale, scale + NextRow) : V.Halves(*scale, scale[NextRow]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PrefetchPart(TBlock* w, nint part)
    {
        var at = (byte*)w + (part * (sizeof(TBlock) * TBlock.Part / TBlock.Values)) + Lanes.Ahead;
        Lanes.Prefetch(at);
        if (TBlock.Part >= 128) Lanes.Prefetch(at + 64);
    }

    /// <summary>
    /// A quantized x in memory.
    /// <code>
    /// q  signed bytes [columns] | corrections of the integer sums, int [columns / 4] | d, float [columns / 32] | d · Σq of a group, float [columns / Group]
    /// </code>
    /// </summary>
    private readonly struct Activations(byte* row, int columns)
    {
        public sbyte* Q => (sbyte*)row;

        public int* Corrections => (int*)(row + columns);

        public float* D => (float*)(row + (2 * columns));

        public float* S => (float*)(row + (2 * columns) + (columns / Block * sizeof(float)));

        public int Bytes => (2 * columns) + (columns / Block * sizeof(float)) + (columns / TBlock.Group * sizeof(float));
    }
}
