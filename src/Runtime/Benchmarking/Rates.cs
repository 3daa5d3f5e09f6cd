using System.Globalization;
using System.Text.Json.Serialization;

namespace WarpDecode.Runtime.Benchmarking;

/// <summary>Values of one thing over the repeats of a run.</summary>
internal sealed class Rates
{
    private readonly List<double> values;

    /// <summary>None yet.</summary>
    public Rates() => values = [];

    /// <summary>These values.</summary>
    /// <param name="values">In the order of the repeats.</param>
    [JsonConstructor]
    public Rates(IReadOnlyList<double> values) => this.values = [.. values];

    /// <summary>The value in the middle, of an even number the mean of the two; NaN if there is none.</summary>
    public double Median => Middle(values);

    /// <summary>The least value.</summary>
    public double Min => values.Count == 0 ? double.NaN : values.Min();

    /// <summary>The largest value.</summary>
    public double Max => values.Count == 0 ? double.NaN : values.Max();

    /// <summary>All values, in the order of the repeats.</summary>
    public IReadOnlyList<double> Values => values;

    /// <summary>Adds the value of another repeat.</summary>
    public void Add(double value) => values.Add(value);

    /// <summary>The same values in another unit.</summary>
    public Rates Scaled(double factor) => new([.. values.Select(v => v * factor)]);

    /// <summary>Median, and min..max in brackets, with four digits that count.</summary>
    public override string ToString() => $"{Digits(Median)} ({Digits(Min)}..{Digits(Max)})";

    /// <summary>
    /// The median as a share of a limit's, then the best as a share of the limit's best: on a machine shared with others the
    /// second says more.
    /// </summary>
    public string Of(Rates limit) =>
        string.Create(CultureInfo.InvariantCulture, $"{100 * Median / limit.Median:F0} % (best {100 * Max / limit.Max:F0} %)");

    /// <summary>A number with about four digits: 12340, 123.4, 1.234.</summary>
    public static string Digits(double value) =>
        value.ToString(Math.Abs(value) switch { >= 1000 => "F0", >= 100 => "F1", >= 10 => "F2", _ => "F3" }, CultureInfo.InvariantCulture);

    private static double Middle(List<double> values)
    {
        if (values.Count == 0) return double.NaN;
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
