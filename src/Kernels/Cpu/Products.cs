using System.Runtime.CompilerServices;
using WarpDecode.Formats;

namespace WarpDecode.Kernels.Cpu;

/// <summary>
/// Rows of a weight times the activations of several tokens: each row is read from memory once for all of them. From a few tokens
/// on, rows are widened to FP32 once, into memory that stays in the second-level cache, and the FP32 kernel takes them from
/// there: the same additions in the same order, so the same bits, with the widening paid once.
/// </summary>
internal static unsafe class Products
{
    /// <summary>Rows that are handed out together: enough to pay for the hand-out, few enough to stay in the nearest caches.</summary>
    public const int RowsAtOnce = 16;

    // Measured on 2 cores with AVX-512: below, widening costs more than it saves.
    private const int TokensToWiden = 8;

    // 128 KB: a quarter or less of a second-level cache, and little of a thread's stack.
    private const int WideValues = 32 * 1024;

    private static readonly RowKernel Single = Dispatch.Rows(WeightType.F32);

    /// <summary>y[t][at + r] = row r · x[t], or += when <paramref name="add"/>, for r in 0 … rows-1 and t in 0 … tokens-1.</summary>
    public static void Multiply(
        RowKernel kernel, byte* first, long rowBytes, int rows, int columns, float** x, float** y, int tokens, int at, bool add)
    {
        if (IsWorthWidening(kernel, columns, tokens)) Widened(kernel, first, rowBytes, rows, columns, x, y, tokens, at, add);
        else Direct(kernel, first, rowBytes, rows, columns, x, y, tokens, at, add);
    }

    /// <summary>
    /// Dot products of rows of two matrices with the same x, given to <paramref name="sink"/> pair by pair: the expert's gate and up.
    /// </summary>
    public static void MultiplyPairs<TSink>(
        RowKernel kernel, byte* a, byte* b, long rowBytes, int rows, int columns, float** x, int tokens, ref TSink sink)
        where TSink : struct, IPairSink, allows ref struct
    {
        if (IsWorthWidening(kernel, columns, tokens)) WidenedPairs(kernel, a, b, rowBytes, rows, columns, x, tokens, ref sink);
        else DirectPairs(kernel, a, b, rowBytes, rows, columns, x, tokens, ref sink);
    }

    private static bool IsWorthWidening(RowKernel kernel, int columns, int tokens) =>
        tokens >= TokensToWiden && 2 * columns <= WideValues && kernel.GetType() != Single.GetType();

    [SkipLocalsInit]
    private static void Widened(
        RowKernel kernel, byte* first, long rowBytes, int rows, int columns, float** x, float** y, int tokens, int at, bool add)
    {
        var wide = stackalloc float[WideValues];
        var room = WideValues / columns;
        for (var r = 0; r < rows; r += room)
        {
            var count = Math.Min(room, rows - r);
            for (var i = 0; i < count; i++) kernel.Widen(first + ((r + i) * rowBytes), wide + (i * columns), columns);
            Direct(Single, (byte*)wide, columns * sizeof(float), count, columns, x, y, tokens, at + r, add);
        }
    }

    private static void Direct(
        RowKernel kernel, byte* first, long rowBytes, int rows, int columns, float** x, float** y, int tokens, int at, bool add)
    {
        var a = stackalloc float[4];
        var b = stackalloc float[4];
        var t = 0;
        for (; t + 4 <= tokens; t += 4)
        {
            for (var r = 0; r < rows; r += 2)
            {
                var row = first + (r * rowBytes);
                var pair = r + 1 < rows;
                kernel.Dot4(row, pair ? row + rowBytes : row, x + t, columns, a, b);
                for (var i = 0; i < 4; i++)
                {
                    Put(y[t + i] + at + r, a[i], add);
                    if (pair) Put(y[t + i] + at + r + 1, b[i], add);
                }
            }
        }
        for (; t < tokens; t++)
        {
            var r = 0;
            for (; r + 4 <= rows; r += 4)
            {
                var row = first + (r * rowBytes);
                kernel.DotPairs(row, row + rowBytes, 2 * rowBytes, x[t], columns, a, b);
                Put(y[t] + at + r, a[0], add);
                Put(y[t] + at + r + 1, b[0], add);
                Put(y[t] + at + r + 2, a[1], add);
                Put(y[t] + at + r + 3, b[1], add);
            }
            for (; r < rows; r += 2)
            {
                var row = first + (r * rowBytes);
                var pair = r + 1 < rows;
                kernel.Dot(row, pair ? row + rowBytes : row, x[t], columns, a, b);
                Put(y[t] + at + r, a[0], add);
                if (pair) Put(y[t] + at + r + 1, b[0], add);
            }
        }
    }

    [SkipLocalsInit]
    private static void WidenedPairs<TSink>(
        RowKernel kernel, byte* a, byte* b, long rowBytes, int rows, int columns, float** x, int tokens, ref TSink sink)
        where TSink : struct, IPairSink, allows ref struct
    {
        var wide = stackalloc float[WideValues];
        var room = WideValues / (2 * columns);
        var wideBytes = columns * sizeof(float);
        for (var r = 0; r < rows; r += room)
        {
            var count = Math.Min(room, rows - r);
            for (var i = 0; i < count; i++)
            {
                kernel.Widen(a + ((r + i) * rowBytes), wide + (2 * i * columns), columns);
                kernel.Widen(b + ((r + i) * rowBytes), wide + (((2 * i) + 1) * columns), columns);
            }
            sink.FirstRow = r;
            DirectPairs(Single, (byte*)wide, (byte*)wide + wideBytes, 2 * wideBytes, count, columns, x, tokens, ref sink);
        }
    }

    private static void DirectPairs<TSink>(
        RowKernel kernel, byte* a, byte* b, long rowBytes, int rows, int columns, float** x, int tokens, ref TSink sink)
        where TSink : struct, IPairSink, allows ref struct
    {
        var ya = stackalloc float[4];
        var yb = stackalloc float[4];
        var t = 0;
        for (; t + 4 <= tokens; t += 4)
        {
            for (var r = 0; r < rows; r++)
            {
                kernel.Dot4(a + (r * rowBytes), b + (r * rowBytes), x + t, columns, ya, yb);
                for (var i = 0; i < 4; i++) sink.Put(t + i, r, ya[i], yb[i]);
            }
        }
        for (; t < tokens; t++)
        {
            var r = 0;
            for (; r + 2 <= rows; r += 2)
            {
                kernel.DotPairs(a + (r * rowBytes), b + (r * rowBytes), rowBytes, x[t], columns, ya, yb);
                sink.Put(t, r, ya[0], yb[0]);
                sink.Put(t, r + 1, ya[1], yb[1]);
            }
            for (; r < rows; r++)
            {
                kernel.Dot(a + (r * rowBytes), b + (r * rowBytes), x[t], columns, ya, yb);
                sink.Put(t, r, ya[0], yb[0]);
            }
        }
    }

    private static void Put(float* y, float value, bool add) => *y = add ? *y + value : value;
}

/// <summary>Takes the two products of a pair of rows.</summary>
internal interface IPairSink
{
    /// <summary>Row that row 0 of the next products is.</summary>
    int FirstRow { set; }

    /// <summary>Products of rows <paramref name="row"/> (after <see cref="FirstRow"/>) with x of token <paramref name="token"/>.</summary>
    void Put(int token, int row, float a, float b);
}
