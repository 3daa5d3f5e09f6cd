using System.Diagnostics;
using System.Globalization;

namespace WarpDecode.Bench;

/// <summary>Rates of one thing over the repeats of a run.</summary>
internal sealed class Rates
{
    private readonly List<double> values = [];

    public double Median
    {
        get
        {
            var sorted = values.Order().ToArray();
            return sorted.Length == 0 ? double.NaN : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
        }
    }

    public double Best => values.Max();

    public void Add(double rate) => values.Add(rate);

    /// <summary>The same rates in another unit.</summary>
    public Rates Scaled(double factor)
    {
        var scaled = new Rates();
        foreach (var value in values) scaled.Add(value * factor);
        return scaled;
    }

    /// <summary>Median, and min..max in brackets.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Median:F1} ({values.Min():F1}..{values.Max():F1})");

    /// <summary>
    /// The median as a share of a limit's, then the best as a share of the limit's best: on a machine shared with others the
    /// second says more.
    /// </summary>
    public string Of(Rates limit) =>
        string.Create(CultureInfo.InvariantCulture, $"{100 * Median / limit.Median:F0} % (best {100 * Best / limit.Best:F0} %)");
}

/// <summary>Times a piece of work split over threads.</summary>
internal static class Measure
{
    // Results go here, so that no work is without effect.
    private static float sink;

    /// <summary>Seconds until <paramref name="threads"/> threads that start together have all done their part.</summary>
    public static double Seconds(int threads, Func<int, float> part)
    {
        using var start = new Barrier(threads);
        var watch = new Stopwatch();
        var others = new Thread[threads - 1];
        for (var i = 1; i < threads; i++)
        {
            var index = i;
            others[i - 1] = new Thread(() => Run(index));
            others[i - 1].Start();
        }
        Run(0);
        foreach (var other in others) other.Join();
        return watch.Elapsed.TotalSeconds;

        void Run(int index)
        {
            start.SignalAndWait();
            if (index == 0) watch.Start();
            var result = part(index);
            if (float.IsNaN(result)) sink += result;
        }
    }
}
