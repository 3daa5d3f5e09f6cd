namespace WarpDecode.Kernels.Cpu;

/// <summary>y = [W₀; W₁; …]·x: several matrices over the same x in one job, sixteen rows at a time.</summary>
internal sealed unsafe class Project : Job, IDisposable
{
    private readonly HostWeight?[] weights = new HostWeight?[4];
    private readonly int[] firstItem = new int[5];
    private readonly int[] firstRow = new int[4];
    private HostMemory? pointers;
    private int capacity;
    private float** x;
    private float** y;
    private int tokens;
    private bool add;

    /// <summary>y[t] (+)= W·x[t].</summary>
    /// <param name="pool">Workers.</param>
    /// <param name="input">x [tokens, columns].</param>
    /// <param name="matrices">At most four, of equal columns.</param>
    /// <param name="output">y [tokens, Σ rows].</param>
    /// <param name="count">Tokens.</param>
    /// <param name="accumulate">Whether to add to y.</param>
    public void Run(WorkerPool pool, float* input, ReadOnlySpan<Weight> matrices, float* output, int count, bool accumulate)
    {
        if (matrices.Length > weights.Length) throw new ArgumentException($"at most {weights.Length} matrices in one projection");
        Reserve(count);
        (tokens, add) = (count, accumulate);
        var items = 0;
        var rows = 0;
        for (var i = 0; i < weights.Length; i++)
        {
            weights[i] = i < matrices.Length ? (HostWeight)matrices[i] : null;
            firstItem[i] = items;
            firstRow[i] = rows;
            if (weights[i] is not { } w) continue;
            items += (w.Rows + Products.RowsAtOnce - 1) / Products.RowsAtOnce;
            rows += w.Rows;
        }
        firstItem[^1] = items;
        var columns = matrices[0].Columns;
        for (var t = 0; t < count; t++)
        {
            x[t] = input + ((long)t * columns);
            y[t] = output + ((long)t * rows);
        }
        pool.Run(this, items);
    }

    public override void Do(int begin, int end, int worker)
    {
        for (var item = begin; item < end; item++)
        {
            var i = 0;
            while (item >= firstItem[i + 1]) i++;
            var w = weights[i]!;
            var row = (item - firstItem[i]) * Products.RowsAtOnce;
            var rows = Math.Min(Products.RowsAtOnce, w.Rows - row);
            Products.Multiply(w.Kernel, w.Row(row), w.RowBytes, rows, w.Columns, x, y, tokens, firstRow[i] + row, add);
        }
    }

    public void Dispose() => pointers?.Dispose();

    private void Reserve(int count)
    {
        if (count <= capacity) return;
        pointers?.Dispose();
        pointers = new HostMemory(2L * count * sizeof(float*));
        capacity = count;
        x = (float**)pointers.Start;
        y = x + count;
    }
}
