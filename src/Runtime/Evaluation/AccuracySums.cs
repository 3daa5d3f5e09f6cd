namespace WarpDecode.Runtime.Evaluation;

/// <summary>Adds up what <see cref="Deviation"/> is made of.</summary>
internal sealed class DeviationSum
{
    private double difference;
    private double own;
    private double reference;
    private double product;
    private double largest;

    public void Add(ReadOnlySpan<float> x, ReadOnlySpan<float> expected)
    {
        for (var i = 0; i < x.Length; i++) Add(x[i], expected[i]);
    }

    public void Add(ReadOnlySpan<float> x, ReadOnlySpan<double> expected)
    {
        for (var i = 0; i < x.Length; i++) Add(x[i], expected[i]);
    }

    public Deviation Result() => new(Math.Sqrt(difference / reference), OneMinusCosine(), largest);

    // 1 − a·b/(‖a‖‖b‖) loses all digits when a and b are close; ‖a/‖a‖ − b/‖b‖‖² / 2 is the same and keeps them:
    // (‖a − b‖² − (‖a‖ − ‖b‖)²) / (2 ‖a‖ ‖b‖), with ‖a‖ − ‖b‖ = (‖a‖² − ‖b‖²) / (‖a‖ + ‖b‖) and ‖a‖² − ‖b‖² = ‖a − b‖² + 2 (a − b)·b.
    private double OneMinusCosine()
    {
        var (a, b) = (Math.Sqrt(own), Math.Sqrt(reference));
        var lengths = (difference + (2 * product)) / (a + b);
        return Math.Max(0, (difference - (lengths * lengths)) / (2 * a * b));
    }

    private void Add(double x, double expected)
    {
        var delta = x - expected;
        difference += delta * delta;
        own += x * x;
        reference += expected * expected;
        product += delta * expected;
        if (!(Math.Abs(delta) <= largest)) largest = Math.Abs(delta); // NaN stays
    }
}

/// <summary>Adds up what <see cref="LogitsDeviation"/> is made of.</summary>
internal sealed class LogitsSum
{
    private readonly DeviationSum deviation = new();
    private double divergence;
    private double largest;
    private int positions;
    private int agreements;

    /// <summary>Adds the logits of one position.</summary>
    public void Add(ReadOnlySpan<float> logits, ReadOnlySpan<float> expected)
    {
        deviation.Add(logits, expected);
        var (best, own) = (0, 0);
        for (var i = 1; i < logits.Length; i++)
        {
            if (expected[i] > expected[best]) best = i;
            if (logits[i] > logits[own]) own = i;
        }
        positions++;
        if (best == own) agreements++;
        var (normal, ownNormal) = (LogSumExp(expected, expected[best]), LogSumExp(logits, logits[own]));
        var kl = 0.0;
        for (var i = 0; i < logits.Length; i++)
        {
            var p = expected[i] - normal;
            kl += Math.Exp(p) * (p - (logits[i] - ownNormal));
        }
        divergence += kl;
        largest = Math.Max(largest, kl);
    }

    public LogitsDeviation Result()
    {
        var d = deviation.Result();
        return new(d.RelativeL2, d.MaxAbsolute, divergence / positions, largest, (double)agreements / positions);
    }

    private static double LogSumExp(ReadOnlySpan<float> logits, double most)
    {
        var sum = 0.0;
        foreach (var logit in logits) sum += Math.Exp(logit - most);
        return most + Math.Log(sum);
    }
}
