namespace WarpDecode.Kernels.Reference;

/// <summary>y = x / √(mean(x²) + ε) · weight (Zhang and Sennrich, 2019).</summary>
internal static unsafe class RmsNorm
{
    public static void Run(float* x, float* y, float* weight, int size, float epsilon)
    {
        var squares = 0.0;
        for (var i = 0; i < size; i++) squares += (double)x[i] * x[i];
        var scale = 1 / Math.Sqrt((squares / size) + epsilon);
        for (var i = 0; i < size; i++) y[i] = (float)(x[i] * scale * weight[i]);
    }
}
