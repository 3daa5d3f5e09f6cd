using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.Chat;

/// <summary>Says what is measured and about how long it will take.</summary>
internal sealed class BenchmarkProgressLine : IProgress<BenchmarkProgress>
{
    private readonly StatusLine line = new(TimeSpan.Zero);

    public void Report(BenchmarkProgress value)
    {
        if (value.Done == 0) line.Begin();
        line.Show($"{value.What} ({value.Done} of {value.Total}{line.Left(value.Done, value.Total)})"); // always: the next report may be long in coming
    }

    /// <summary>Takes the line away, if there is one.</summary>
    public void Clear() => line.Clear();
}
