namespace WarpDecode.Kernels.Gpu;

/// <summary>A way through one half of the experts.</summary>
internal enum ExpertWay
{
    GateUpAlone,
    GateUpTogether,
    GateUpPrompt,
    DownAlone,
    DownTogether,
}

/// <summary>Microseconds of two ways for a step of so many tokens; the first is the one for fewer tokens.</summary>
internal readonly record struct WayTiming(int Tokens, double First, double Second);

/// <summary>What was measured for a shape: tokens ascending in each, none where there is no choice.</summary>
/// <param name="GateUp">Gate and up alone, and together.</param>
/// <param name="Down">Down alone, and together.</param>
/// <param name="Prompt">Gate and up together, and by the kernel for many tokens of an expert.</param>
internal sealed record ExpertTimings(IReadOnlyList<WayTiming> GateUp, IReadOnlyList<WayTiming> Down, IReadOnlyList<WayTiming> Prompt);

/// <summary>Finds from times at a few numbers of tokens which way is the fastest up to where.</summary>
internal static class ExpertTuner
{
    // What is slower by more than that twice in a row does not become faster again with more tokens.
    private const double Hopeless = 1.25;

    private const int MostPromptTokens = 512; // a step of a prompt, unless asked otherwise

    private static readonly int[] Candidates = [2, 3, 4, 6, 8, 12, 16, 24, 32];

    /// <summary>Most tokens that are measured for a shape.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="capacity">Most tokens that there is room for.</param>
    public static int MostTokens(in ExpertShape shape, int capacity) => Candidates.Concat(PromptCandidates(shape)).Where(t => t <= capacity).DefaultIfEmpty(0).Max();

    /// <summary>Times what there is to choose from.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="capacity">Most tokens that there is room for.</param>
    /// <param name="microseconds">Times a way at a number of tokens.</param>
    /// <param name="cancellation">Ends it between two times.</param>
    public static ExpertTimings Measure(in ExpertShape shape, int capacity, Func<ExpertWay, int, double> microseconds, CancellationToken cancellation)
    {
        return new ExpertTimings(
            shape.GateUpChoice ? Pairs(Candidates, ExpertWay.GateUpAlone, ExpertWay.GateUpTogether) : [],
            shape.DownChoice ? Pairs(Candidates, ExpertWay.DownAlone, ExpertWay.DownTogether) : [],
            Pairs(PromptCandidates(shape), ExpertWay.GateUpTogether, ExpertWay.GateUpPrompt));

        List<WayTiming> Pairs(IEnumerable<int> candidates, ExpertWay first, ExpertWay second)
        {
            var timings = new List<WayTiming>();
            var worse = 0;
            foreach (var tokens in candidates)
            {
                if (tokens > capacity || worse == 2) break;
                cancellation.ThrowIfCancellationRequested();
                var timing = new WayTiming(tokens, microseconds(first, tokens), microseconds(second, tokens));
                worse = timing.First > Hopeless * timing.Second ? worse + 1 : 0;
                timings.Add(timing);
            }
            return timings;
        }
    }

    /// <summary>
    /// The thresholds that fit the times best. Past the largest number measured, the default's rule decides.
    /// </summary>
    public static ExpertDispatch Choose(in ExpertShape shape, ExpertTimings timings)
    {
        var otherwise = ExpertDispatch.Default(shape);
        var prompt = otherwise.GateUpPrompt;
        if (timings.Prompt.Count > 0)
        {
            var cut = Crossing(timings.Prompt);
            prompt = cut < timings.Prompt.Count ? timings.Prompt[cut].Tokens : Math.Max(timings.Prompt[^1].Tokens + 1, prompt);
        }
        return new ExpertDispatch(Alone(timings.GateUp, otherwise.GateUpAlone), Alone(timings.Down, otherwise.DownAlone), prompt);

        static int Alone(IReadOnlyList<WayTiming> measured, int byDefault)
        {
            if (measured.Count == 0) return byDefault;
            var cut = Crossing(measured);
            return cut == 0 ? 1 // there is nobody to share with
                : cut < measured.Count ? measured[cut - 1].Tokens
                : Math.Max(measured[^1].Tokens, byDefault);
        }
    }

    /// <summary>
    /// How many of the timings, from the first on, are to take the first way: where one cut loses the least against the faster way at each,
    /// so that one time that is off does not decide. Of equal cuts the last: ties go to the first way.
    /// </summary>
    internal static int Crossing(IReadOnlyList<WayTiming> timings)
    {
        var loss = timings.Sum(t => Loss(t.Second, t)); // all take the second way
        var (best, least) = (0, loss);
        for (var i = 0; i < timings.Count; i++)
        {
            loss += Loss(timings[i].First, timings[i]) - Loss(timings[i].Second, timings[i]);
            if (loss <= least + 1e-9) (best, least) = (i + 1, Math.Min(loss, least)); // sums of the same terms differ in their last bits
        }
        return best;
    }

    private static double Loss(double time, WayTiming timing) => (time / Math.Min(timing.First, timing.Second)) - 1;

    /// <summary>Around the default.</summary>
    private static int[] PromptCandidates(in ExpertShape shape)
    {
        if (!shape.GateUpTiles) return [];
        long tokens = ExpertDispatch.Default(shape).GateUpPrompt;
        return [.. new[] { tokens / 2, tokens * 3 / 4, tokens, tokens * 3 / 2, tokens * 2 }.Where(t => t is > 1 and <= MostPromptTokens).Distinct().Select(t => (int)t)];
    }
}
