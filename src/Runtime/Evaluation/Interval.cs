namespace WarpDecode.Runtime.Evaluation;

/// <summary>A 95 % confidence interval of a share, both ends between 0 and 1.</summary>
/// <param name="Low">Lower end.</param>
/// <param name="High">Upper end.</param>
public readonly record struct Interval(double Low, double High)
{
    private const double Z = 1.959963984540054; // 97.5 % quantile of the standard normal distribution

    /// <summary>
    /// Wilson's score interval: the shares p for which what was counted lies within z standard errors of p. Unlike p ± z·σ it stays
    /// within [0, 1] and keeps its coverage for few items and for shares near the ends.
    /// </summary>
    /// <param name="right">Successes.</param>
    /// <param name="total">Trials; of none the interval is [0, 1].</param>
    internal static Interval Wilson(int right, int total)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(right);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(right, total);
        if (total == 0) return new Interval(0, 1);
        double n = total;
        var p = right / n;
        var center = (p + (Z * Z / (2 * n))) / (1 + (Z * Z / n));
        var half = Z / (1 + (Z * Z / n)) * Math.Sqrt((p * (1 - p) / n) + (Z * Z / (4 * n * n)));
        // At the ends center ∓ half is 0 or 1 but for rounding.
        return new Interval(right == 0 ? 0 : center - half, right == total ? 1 : center + half);
    }
}
