namespace WarpDecode.Kernels.Reference;

/// <summary>y (+)= W·x by the scalar definition of each weight, summed in FP64.</summary>
internal static unsafe class Project
{
    public static void Run(HostWeight weight, int expert, float* x, float* y, bool add)
    {
        for (var r = 0; r < weight.Rows; r++)
        {
            var value = (float)Dot(weight, expert, r, x);
            y[r] = add ? y[r] + value : value;
        }
    }

    public static double Dot(HostWeight weight, int expert, int row, float* x)
    {
        var at = weight.Row(expert, row);
        var sum = 0.0;
        for (var c = 0; c < weight.Columns; c++) sum += (double)weight.Kernel.At(at, c) * x[c];
        return sum;
    }
}
