using WarpDecode.Tests;
using System.Diagnostics;
using WarpDecode.Runtime.Benchmarking;
using WarpDecode.Runtime.Monitoring;
using Xunit;

namespace WarpDecode.Runtime.Tests.Monitoring;

public class DecodeMonitorTests
{
    [Theory]
    [InlineData("cpu", true)]
    [InlineData("reference", true)]
    [InlineData("cuda", false)]
    public void ItSeesRoutesTimesAndBytesOfDecodeSteps(string where, bool timesParts)
    {
        SlowTests.Skip(where == "cuda");
        using var engine = RoutingTests.Open(where);
        using var session = engine.CreateSession();
        if (timesParts) session.Append([1]); // before
        using var monitor = engine.Watch();
        Assert.Equal(timesParts, monitor.TimesParts);
        var (last, load) = (new RoutingSnapshot(engine), new RoutingStatistics(engine.Layers, engine.ExpertCount));
        Assert.False(monitor.TryRead(last, load));
        Assert.Null(monitor.Profile);
        if (timesParts) // emulated, steps are slow
        {
            session.Append([4, 5]);
            Assert.False(monitor.TryRead(last, load));
        }
        var before = session.Length;

        var begun = Stopwatch.GetTimestamp();
        var steps = timesParts ? 2 : 1;
        for (var i = 0; i < steps; i++)
        {
            session.Append([6 + i]);
            _ = session.Logits;
        }
        var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        Assert.True(monitor.TryRead(last, load));
        // A device's are read for as long as that costs little.
        Assert.InRange(load.Tokens, timesParts ? steps : 1, steps);
        if (timesParts)
        {
            var own = new RoutingSnapshot(engine);
            Assert.True(session.TryReadRouting(own));
            Assert.Equal(own.Experts, last.Experts);
            Assert.Equal(own.Weights, last.Weights);
            Assert.Equal(4, last.Position);
        }
        for (var layer = 0; layer < engine.Layers; layer++)
            Assert.Equal(load.Tokens * engine.ExpertsPerToken, Enumerable.Range(0, engine.ExpertCount).Sum(e => load.Count(layer, e)));

        var profile = monitor.Profile!;
        Assert.Equal((steps, 1), (profile.Steps, profile.Tokens));
        Assert.InRange(profile.Seconds * steps, 0, 2 * seconds); // older ones count less
        Assert.Equal(Enum.GetValues<StepPart>(), profile.Parts.Select(p => p.Part));
        Assert.Equal(timesParts, profile.HasPartTimes);
        if (timesParts)
        {
            Assert.All(profile.Parts, p => Assert.True(p.Seconds > 0, $"{p.Part}"));
            Assert.InRange(profile.Parts.Sum(p => p.Seconds!.Value), 0, profile.Seconds);
        }
        var bytes = new StepBytes(engine.File, engine.Config, engine.KvType);
        int[] experts = [.. Enumerable.Repeat(engine.ExpertsPerToken, engine.Layers)];
        Assert.InRange(profile.Bytes, bytes.Of(1, experts, before + 1, logits: true), bytes.Of(1, experts, before + steps, logits: true));
        Assert.Equal(bytes.Of(1, experts, 0, true), profile.Bytes - profile.Parts[(int)StepPart.Attention].Bytes, 1.0);
        Assert.Null(profile.OfRoofline);

        monitor.Reset();
        Assert.Null(monitor.Profile);
        Assert.True(monitor.TryRead(last, load));
        Assert.Equal(0, load.Tokens);
    }

    [Fact]
    public void StepsOfSeveralSessionsAreCountedTokenByToken()
    {
        using var engine = RoutingTests.Open("cpu");
        using var monitor = engine.Watch();
        Session[] sessions = [engine.CreateSession(), engine.CreateSession(), engine.CreateSession()];
        engine.Decode(sessions, [3, 400, 77]);
        var (one, last, load) = (new RoutingSnapshot(engine), new RoutingSnapshot(engine), new RoutingStatistics(engine.Layers, engine.ExpertCount));
        Assert.True(monitor.TryRead(last, load));
        var expected = new RoutingStatistics(engine.Layers, engine.ExpertCount);
        foreach (var session in sessions)
        {
            Assert.True(session.TryReadRouting(one));
            expected.Add(one.Experts);
        }
        Assert.Equal(one.Experts, last.Experts);
        for (var layer = 0; layer < engine.Layers; layer++)
        {
            for (var e = 0; e < engine.ExpertCount; e++) Assert.Equal(expected.Count(layer, e), load.Count(layer, e));
        }
        var bytes = new StepBytes(engine.File, engine.Config, engine.KvType);
        int[] distinct = [.. Enumerable.Range(0, engine.Layers).Select(layer => engine.ExpertCount - expected.Unused(layer))];
        Assert.Equal(bytes.Of(3, distinct, 3, logits: true), monitor.Profile!.Bytes);
        foreach (var session in sessions) session.Dispose();
    }

    [Fact]
    public void WatchingChangesNoBitAndEndsWithTheMonitor()
    {
        using var engine = RoutingTests.Open("cpu");
        using var session = engine.CreateSession();
        session.Append([3]);
        var alone = session.Logits.ToArray();
        session.Rewind(0);
        var monitor = engine.Watch();
        Assert.Throws<InvalidOperationException>(engine.Watch);
        session.Append([3]);
        Assert.Equal(alone, session.Logits);
        Assert.Equal(1, monitor.Profile!.Steps);
        monitor.Dispose();
        session.Append([4]);
        _ = session.Logits;
        Assert.Equal(1, monitor.Profile!.Steps);
        using var second = engine.Watch(); // may be again, and knows nothing yet
        Assert.Null(second.Profile);
    }

    [Fact]
    public async Task TheMemoryIsMeasuredWhenTheEngineRests()
    {
        using var engine = RoutingTests.Open("cpu");
        using var session = engine.CreateSession();
        using var monitor = engine.Watch();
        session.Append([1]);
        Assert.NotNull(monitor.BandwidthNote);
        using (var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(50)))
        {
            // Steps are computed: it waits, and is cancelled meanwhile.
            var busy = Task.Run(() =>
            {
                while (!soon.IsCancellationRequested)
                {
                    session.Rewind(0);
                    session.Append([1]);
                }
            });
            Assert.Throws<OperationCanceledException>(() => monitor.MeasureReadBandwidth(soon.Token));
            await busy;
            Assert.Null(monitor.Profile!.ReadBandwidth);
        }
        monitor.MeasureReadBandwidth(TestContext.Current.CancellationToken);
        Assert.Null(monitor.BandwidthNote);
        Assert.True(monitor.Profile!.ReadBandwidth > 0);
        Assert.Equal(monitor.Profile.Rate / monitor.Profile.ReadBandwidth, monitor.Profile.OfRoofline);
    }

    [Theory]
    [InlineData("reference", "not made for speed")]
    [InlineData("cuda, layer 1 on the cpu", "divided")]
    [InlineData("cuda", "not known")] // times mean nothing on an emulated device
    public void WhereTheMemoryIsNotMeasuredItSaysWhy(string where, string why)
    {
        using var engine = RoutingTests.Open(where);
        using var monitor = engine.Watch();
        monitor.MeasureReadBandwidth(TestContext.Current.CancellationToken);
        Assert.Contains(why, monitor.BandwidthNote, StringComparison.Ordinal);
    }
}
