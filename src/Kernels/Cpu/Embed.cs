namespace WarpDecode.Kernels.Cpu;

/// <summary>x[t] = row token(t) of the embedding table, widened.</summary>
internal static unsafe class Embed
{
    public static void Run(Step step, HostWeight table, float* x)
    {
        for (var t = 0; t < step.Count; t++) table.Kernel.Widen(table.Row(step.Tokens[t]), x + ((long)t * table.Columns), table.Columns);
    }
}
