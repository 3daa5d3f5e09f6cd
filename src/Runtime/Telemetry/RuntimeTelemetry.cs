using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Reflection;

namespace WarpDecode.Runtime;

/// <summary>
/// The one source of traces and the one meter, both named <c>WarpDecode.Runtime</c>, with the names, units and buckets of OpenTelemetry's semantic
/// conventions for generative AI. They hold numbers and settings, never what was said.
/// </summary>
internal static class RuntimeTelemetry
{
    /// <summary>Name of the source and of the meter, to subscribe to.</summary>
    public const string Name = "WarpDecode.Runtime";

    /// <summary>Value of <c>gen_ai.provider.name</c>, and the provider in the metadata of the clients.</summary>
    public const string Provider = "warpdecode";

    private static readonly string? Version = typeof(RuntimeTelemetry).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
    private static readonly Meter Meter = new(Name, Version);

    // The conventions' own bounds: seconds of a request, tokens, seconds to the first token, seconds a token.
    private static readonly double[] RequestSeconds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
    private static readonly long[] Tokens = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];
    private static readonly double[] FirstTokenSeconds = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
    private static readonly double[] TokenSeconds = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];

    public static ActivitySource Source { get; } = new(Name, Version);

    /// <summary>From the request to its end, what the reader takes its time for included.</summary>
    public static Histogram<double> OperationDuration { get; } = Seconds("gen_ai.client.operation.duration", "GenAI operation duration.", RequestSeconds);

    public static Histogram<long> TokenUsage { get; } = Meter.CreateHistogram(
        "gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", advice: new InstrumentAdvice<long> { HistogramBucketBoundaries = Tokens });

    /// <summary>From the request to its last token.</summary>
    public static Histogram<double> RequestDuration { get; } = Seconds("gen_ai.server.request.duration", "Generative AI server request duration such as time-to-last byte or last output token.", RequestSeconds);

    /// <summary>From the request to its first token: waiting for a session, and reading the prompt.</summary>
    public static Histogram<double> TimeToFirstToken { get; } = Seconds("gen_ai.server.time_to_first_token", "Time to generate first token for successful responses.", FirstTokenSeconds);

    /// <summary>From the first token to the last, for each after the first.</summary>
    public static Histogram<double> TimePerOutputToken { get; } = Seconds("gen_ai.server.time_per_output_token", "Time per output token generated after the first token for successful responses.", TokenSeconds);

    /// <summary>Whether anybody looks at any of it.</summary>
    public static bool IsOn =>
        Source.HasListeners() || OperationDuration.Enabled || TokenUsage.Enabled || RequestDuration.Enabled || TimeToFirstToken.Enabled || TimePerOutputToken.Enabled;

    private static Histogram<double> Seconds(string name, string description, double[] bounds) =>
        Meter.CreateHistogram(name, "s", description, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = bounds });
}
