using System.Diagnostics;
using Microsoft.Extensions.AI;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using WarpDecode.Runtime.Tests.Evaluation;
using Xunit;

namespace WarpDecode.Runtime.Tests.Hosting;

/// <summary>Traces and metrics as OpenTelemetry's SDK gets them. Other tests' requests may be among them: each test has a model id of its own.</summary>
public class TelemetryTests
{
    private static readonly ChatOptions Options = new()
    {
        Temperature = 0.7f,
        TopP = 0.25f,
        TopK = 7,
        MaxOutputTokens = 9,
        Seed = 42,
        FrequencyPenalty = -1,
        PresencePenalty = 1,
        StopSequences = ["a", "b"],
        ResponseFormat = ChatResponseFormat.Json,
    };

    private static readonly GenerationResult Result = new(
        FinishReason.MaxTokens, PromptTokens: 20, CachedTokens: 5, Tokens: 9, TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(0.4), Seed: 42);

    [Fact]
    public void AChatIsASpanWithTheConventionsAttributes()
    {
        using var listening = new Listening("chat-model");
        using (var parent = new Activity("request") { ActivityTraceFlags = ActivityTraceFlags.Recorded }.Start())
        {
            using var request = RequestTelemetry.StartChat("chat-model", Options, streaming: true);
            Assert.Equal("chat chat-model", Activity.Current?.DisplayName);
            request.SessionTaken();
            request.Finish(Result, "length", "response-1");
            request.Fail(new InvalidOperationException("comes too late"));
            Assert.Same(parent, Activity.Current);
        }
        var span = Assert.Single(listening.Spans);
        Assert.Equal(("chat chat-model", ActivityKind.Internal, ActivityStatusCode.Unset), (span.DisplayName, span.Kind, span.Status));
        Assert.Equal(("WarpDecode.Runtime", "request"), (span.Source.Name, span.Parent?.OperationName));
        Assert.Equal(new Dictionary<string, object?>
        {
            ["gen_ai.operation.name"] = "chat",
            ["gen_ai.provider.name"] = "warpdecode",
            ["gen_ai.request.model"] = "chat-model",
            ["gen_ai.response.model"] = "chat-model",
            ["gen_ai.request.stream"] = true,
            ["gen_ai.output.type"] = "json",
            ["gen_ai.request.temperature"] = 0.7,
            ["gen_ai.request.top_p"] = 0.25,
            ["gen_ai.request.top_k"] = 7.0,
            ["gen_ai.request.max_tokens"] = 9,
            ["gen_ai.request.seed"] = 42L,
            ["gen_ai.request.frequency_penalty"] = -1.0,
            ["gen_ai.request.presence_penalty"] = 1.0,
            ["gen_ai.request.stop_sequences"] = new[] { "a", "b" },
            ["gen_ai.response.id"] = "response-1",
            ["gen_ai.response.finish_reasons"] = new[] { "length" },
            ["gen_ai.usage.input_tokens"] = 20,
            ["gen_ai.usage.cache_read.input_tokens"] = 5,
            ["gen_ai.usage.output_tokens"] = 9,
        }.OrderBy(t => t.Key, StringComparer.Ordinal), span.TagObjects.OrderBy(t => t.Key, StringComparer.Ordinal));
    }

    [Fact]
    public void AChatIsCountedWithTheConventionsUnitsAndBuckets()
    {
        using var listening = new Listening("counted");
        using (var request = RequestTelemetry.StartChat("counted", null)) request.Finish(Result, "stop");
        Assert.Equal(
            ["gen_ai.client.operation.duration s", "gen_ai.client.token.usage {token}", "gen_ai.server.request.duration s", "gen_ai.server.time_per_output_token s", "gen_ai.server.time_to_first_token s"],
            listening.Metrics().Select(m => $"{m.Name} {m.Unit}").Distinct().Order(StringComparer.Ordinal));
        Assert.Equal(0.5, listening.Sum("gen_ai.server.time_to_first_token"), 6);
        Assert.Equal(0.05, listening.Sum("gen_ai.server.time_per_output_token"), 6); // 0.4 s for 8 tokens after the first
        Assert.Equal(0.9, listening.Sum("gen_ai.server.request.duration"), 6);
        Assert.InRange(listening.Sum("gen_ai.client.operation.duration"), 0, 0.4); // measured, and no time has passed here
        Assert.Equal(20, listening.Sum("gen_ai.client.token.usage", ("gen_ai.token.type", "input")));
        Assert.Equal(9, listening.Sum("gen_ai.client.token.usage", ("gen_ai.token.type", "output")));
        Assert.Equal([0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10], listening.Bounds("gen_ai.server.time_to_first_token"));
        Assert.Equal([0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5], listening.Bounds("gen_ai.server.time_per_output_token"));
        Assert.Equal([1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864], listening.Bounds("gen_ai.client.token.usage"));
        double[] request1 = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
        Assert.Equal(request1, listening.Bounds("gen_ai.client.operation.duration"));
        Assert.Equal(request1, listening.Bounds("gen_ai.server.request.duration"));
    }

    /// <summary>Waiting for a session is a part of the time to the first token.</summary>
    [Fact]
    public void WaitingForASessionCounts()
    {
        using var listening = new Listening("waits");
        using (var request = RequestTelemetry.StartChat("waits", null))
        {
            Thread.Sleep(30);
            request.SessionTaken();
            request.Finish(Result, "stop");
        }
        Assert.InRange(listening.Sum("gen_ai.server.time_to_first_token"), 0.529, 5);
        Assert.Equal(listening.Sum("gen_ai.server.time_to_first_token") + 0.4, listening.Sum("gen_ai.server.request.duration"), 6);
    }

    /// <summary>The kind of the error, and nothing of its message, which may quote what was said.</summary>
    [Theory]
    [InlineData(false, "System.InvalidOperationException")]
    [InlineData(true, "System.OperationCanceledException")]
    public void AnErrorIsItsType(bool cancelled, string type)
    {
        using var listening = new Listening("fails");
        using (var request = RequestTelemetry.StartChat("fails", Options)) request.Fail(cancelled ? new TaskCanceledException("secret") : new InvalidOperationException("secret"));
        var span = Assert.Single(listening.Spans);
        Assert.Equal((ActivityStatusCode.Error, null, type), (span.Status, span.StatusDescription, span.GetTagItem("error.type")));
        Assert.DoesNotContain(span.TagObjects, t => t.Key.StartsWith("gen_ai.usage", StringComparison.Ordinal) || $"{t.Value}".Contains("secret", StringComparison.Ordinal));
        Assert.Empty(span.Events);
        Assert.Equal(["gen_ai.client.operation.duration", "gen_ai.server.request.duration"], listening.Metrics().Select(m => m.Name).Order(StringComparer.Ordinal));
        Assert.Equal(1, listening.Count("gen_ai.client.operation.duration", ("error.type", type)));
    }

    [Fact]
    public void OneThatNobodyFinishedCountsWithoutAResult()
    {
        using var listening = new Listening("left");
        RequestTelemetry.StartChat("left", null).Dispose();
        Assert.Equal(ActivityStatusCode.Unset, Assert.Single(listening.Spans).Status);
        Assert.Equal(1, listening.Count("gen_ai.client.operation.duration"));
    }

    [Fact]
    public async Task EmbeddingsAreSpansAndCounts()
    {
        using var engine = Engine.Open(TinyModel.Path, new EngineOptions { Backend = BackendKind.Cpu, ContextLength = 64, Threads = 2 });
        using var generator = new WarpDecodeEmbeddingGenerator(engine, "embeds");
        using var listening = new Listening("embeds");
        var tokens = (await generator.GenerateAsync(["two", "texts of more"])).Usage!.InputTokenCount;
        await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync([""]));
        Assert.Equal(["embeddings embeds", "embeddings embeds"], listening.Spans.Select(s => s.DisplayName));
        var (span, failed) = (listening.Spans[0], listening.Spans[1]);
        Assert.Equal(("embeddings", engine.HiddenSize), (span.GetTagItem("gen_ai.operation.name"), span.GetTagItem("gen_ai.embeddings.dimension.count")));
        Assert.Equal(tokens, (long)(int)span.GetTagItem("gen_ai.usage.input_tokens")!);
        Assert.DoesNotContain(span.TagObjects, t => $"{t.Value}".Contains("text", StringComparison.Ordinal));
        Assert.Equal("System.ArgumentException", failed.GetTagItem("error.type"));
        Assert.Equal((double)tokens!, listening.Sum("gen_ai.client.token.usage", ("gen_ai.token.type", "input")));
        Assert.Equal(2, listening.Count("gen_ai.client.operation.duration"));
    }

    /// <summary>Under Microsoft.Extensions.AI's own, ours is the child.</summary>
    [Fact]
    public async Task ItGoesUnderTheFrameworksOwn()
    {
        using var engine = Engine.Open(TinyModel.Path, new EngineOptions { Backend = BackendKind.Cpu, ContextLength = 64, Threads = 2 });
        using var generator = new WarpDecodeEmbeddingGenerator(engine, "under").AsBuilder().UseOpenTelemetry(sourceName: "theirs").Build();
        using var listening = new Listening("under", "theirs");
        await generator.GenerateAsync(["a"]);
        var ours = Assert.Single(listening.Spans, s => s.Source.Name == RuntimeTelemetry.Name);
        var theirs = Assert.Single(listening.Spans, s => s.Source.Name == "theirs");
        Assert.Equal(theirs.SpanId, ours.ParentSpanId);
        Assert.Equal(theirs.DisplayName, ours.DisplayName);
    }

    /// <summary>OpenTelemetry's SDK, with what it gets of one model.</summary>
    private sealed class Listening : IDisposable
    {
        private readonly string model;
        private readonly SpanList spans = new();
        private readonly List<Metric> metrics = [];
        private readonly List<Metric> flushed = [];
        private readonly TracerProvider tracer;
        private readonly MeterProvider meter;

        public Listening(string model, params string[] sources)
        {
            this.model = model;
            tracer = Sdk.CreateTracerProviderBuilder().AddSource([RuntimeTelemetry.Name, .. sources]).AddInMemoryExporter(spans).Build();
            meter = Sdk.CreateMeterProviderBuilder().AddMeter(RuntimeTelemetry.Name).AddInMemoryExporter(metrics).Build();
        }

        public List<Activity> Spans
        {
            get
            {
                tracer.ForceFlush();
                return [.. spans.Snapshot().Where(s => Equals(s.GetTagItem("gen_ai.request.model"), model))];
            }
        }

        /// <summary>Instruments with at least one point of the model.</summary>
        public List<Metric> Metrics()
        {
            if (flushed.Count == 0)
            {
                meter.ForceFlush();
                flushed.AddRange(metrics.Where(m => Points(m).Count > 0));
            }
            return flushed;
        }

        public double Sum(string name, params (string Key, string Value)[] tags) => Points(name, tags).Sum(p => p.GetHistogramSum());

        public long Count(string name, params (string Key, string Value)[] tags) => Points(name, tags).Sum(p => p.GetHistogramCount());

        public double[] Bounds(string name)
        {
            var bounds = new List<double>();
            foreach (var bucket in Points(name)[0].GetHistogramBuckets())
            {
                if (!double.IsPositiveInfinity(bucket.ExplicitBound)) bounds.Add(bucket.ExplicitBound);
            }
            return [.. bounds];
        }

        private List<MetricPoint> Points(string name, params (string Key, string Value)[] tags) =>
            [.. Metrics().Where(m => m.Name == name).SelectMany(m => Points(m, tags))];

        private List<MetricPoint> Points(Metric metric, params (string Key, string Value)[] tags)
        {
            var points = new List<MetricPoint>();
            foreach (ref readonly var point in metric.GetMetricPoints())
            {
                if (Has(point, [.. tags, ("gen_ai.request.model", model)])) points.Add(point);
            }
            return points;
        }

        private static bool Has(in MetricPoint point, (string Key, string Value)[] tags)
        {
            var found = 0;
            foreach (var tag in point.Tags)
            {
                foreach (var (key, value) in tags) found += tag.Key == key && Equals(tag.Value, value) ? 1 : 0;
            }
            return found == tags.Length;
        }

        public void Dispose()
        {
            tracer.Dispose();
            meter.Dispose();
        }
    }

    /// <summary>Spans of all tests that run meanwhile come in.</summary>
    private sealed class SpanList : System.Collections.ObjectModel.Collection<Activity>
    {
        private readonly Lock gate = new();

        public Activity[] Snapshot()
        {
            lock (gate) return [.. this];
        }

        protected override void InsertItem(int index, Activity item)
        {
            lock (gate) base.InsertItem(Count, item);
        }
    }
}
