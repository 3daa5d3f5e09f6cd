using System.Numerics;

namespace WarpDecode.Kernels.Cpu;

/// <summary>y = x / √(mean(x²) + ε) · weight (Zhang and Sennrich, 2019).</summary>
internal sealed unsafe class RmsNorm : Job
{
    private float* x;
    private float* y;
    private float* weight;
    private int size;
    private float epsilon;
    private int[]? rows;

    /// <summary>y[i] = rmsnorm(x[i]), or of x[rows[i]] when only some rows are wanted. // [count, size]</summary>
    public void Run(WorkerPool pool, float* input, float* output, float* norm, int length, float eps, int count, int[]? pick)
    {
        (size, epsilon, rows) = (length, eps, pick);
        x = input;
        y = output;
        weight = norm;
        pool.Run(this, count, itemsAtOnce: 4);
        rows = null;
    }

    public override void Do(int begin, int end, int worker)
    {
        for (var i = begin; i < end; i++) Normalize(x + ((long)(rows is null ? i : rows[i]) * size), y + ((long)i * size), weight, size, epsilon);
    }

    /// <summary>One vector; <paramref name="y"/> may be <paramref name="x"/>.</summary>
    public static void Normalize(float* x, float* y, float* weight, int size, float epsilon)
    {
        var squares = Vector<float>.Zero;
        var i = 0;
        for (; i + Vector<float>.Count <= size; i += Vector<float>.Count)
        {
            var v = Vector.Load(x + i);
            squares = Vector.MultiplyAddEstimate(v, v, squares);
        }
        var sum = Vector.Sum(squares);
        for (; i < size; i++) sum += x[i] * x[i];
        var scale = 1 / MathF.Sqrt((sum / size) + epsilon);
        for (i = 0; i + Vector<float>.Count <= size; i += Vector<float>.Count)
            (Vector.Load(x + i) * scale * Vector.Load(weight + i)).Store(y + i);
        for (; i < size; i++) y[i] = x[i] * scale * weight[i];
    }
}
