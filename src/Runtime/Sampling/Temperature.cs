namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// Divides the logits by the temperature; 0 keeps the best alone. With a range it is dynamic, as in llama.cpp: between temperature − range and
/// temperature + range, by how even the probabilities are: (entropy ÷ the most that it can be)^exponent.
/// </summary>
internal static class Temperature
{
    public static void Apply(double temperature, Candidates candidates)
    {
        if (temperature > 0) candidates.Temperature *= temperature;
        else candidates.KeepBest();
    }

    public static void Apply(double temperature, double range, double exponent, Candidates candidates)
    {
        if (range > 0)
        {
            if (candidates.Count <= 1) return;
            var least = Math.Max(0, temperature - range);
            var evenness = Math.Clamp(candidates.Entropy(out _) / Math.Log(candidates.Count), 0, 1);
            temperature = least + ((temperature + range - least) * Math.Pow(evenness, exponent));
        }
        Apply(temperature, candidates);
    }
}
