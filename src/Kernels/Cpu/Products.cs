namespace WarpDecode.Kernels.Cpu;

/// <summary>Rows of a weight times the activations of several tokens: each row is read from memory once for all of them.</summary>
internal static unsafe class Products
{
    /// <summary>Rows that are handed out together: enough to pay for the hand-out, few enough to stay in the nearest caches.</summary>
    public const int RowsAtOnce = 16;

    /// <summary>y[t][at + r] = row r · x[t], or += when <paramref name="add"/>, for r in 0 … rows-1 and t in 0 … tokens-1.</summary>
    public static void Multiply(
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
            for (var r = 0; r < rows; r += 2)
            {
                var row = first + (r * rowBytes);
                var pair = r + 1 < rows;
                kernel.Dot(row, pair ? row + rowBytes : row, x[t], columns, a, b);
                Put(y[t] + at + r, a[0], add);
                if (pair) Put(y[t] + at + r + 1, b[0], add);
            }
        }
    }

    private static void Put(float* y, float value, bool add) => *y = add ? *y + value : value;
}
