namespace WarpDecode.Runtime.Evaluation;

/// <summary>A value that was estimated from a sample.</summary>
/// <param name="Value">The estimate.</param>
/// <param name="Error">Its standard error; NaN where the sample is too small for one.</param>
public readonly record struct Estimate(double Value, double Error)
{
    /// <summary>e to the power of this, the error carried through to first order.</summary>
    internal Estimate Exp()
    {
        var value = Math.Exp(Value);
        return new Estimate(value, value * Error);
    }

    /// <summary>The square root of this, the error carried through to first order; of 0 ± 0 it is 0 ± 0.</summary>
    internal Estimate Sqrt()
    {
        var value = Math.Sqrt(Value);
        return new Estimate(value, value > 0 ? Error / (2 * value) : Error);
    }
}

/// <summary>Mean and spread of values that come one by one (Welford's recurrence: no difference of large sums).</summary>
internal struct Moments
{
    private double mean;
    private double squares; // Σ (x - mean)²

    /// <summary>Values so far.</summary>
    public long Count { get; private set; }

    /// <summary>The mean, and its standard error √(variance / (n - 1)), with the variance over n as llama.cpp has it.</summary>
    public readonly Estimate Mean => new(Count > 0 ? mean : double.NaN, Count > 1 ? Math.Sqrt(squares / Count / (Count - 1)) : double.NaN);

    public void Add(double x)
    {
        Count++;
        var delta = x - mean;
        mean += delta / Count;
        squares += delta * (x - mean);
    }
}
