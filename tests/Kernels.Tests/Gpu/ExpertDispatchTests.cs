using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu;
using Xunit;

namespace WarpDecode.Kernels.Tests.Gpu;

/// <summary>From times to thresholds, and how those are kept; the times are made by hand.</summary>
public sealed class ExpertDispatchTests : IDisposable
{
    private const int Always = ExpertDispatch.Always;
    private static readonly ExpertShape Tiles = new(WeightType.Q4_K, WeightType.Q6_K, true, true, 128, 8, 2048, 768);
    private static readonly ExpertShape Float = new(WeightType.BF16, WeightType.BF16, false, false, 128, 8, 2048, 768);
    private static readonly ExpertShape Lanes = new(WeightType.Q4_K, WeightType.Q4_K, false, false, 128, 8, 2048, 768);

    private readonly string folder = Path.Combine(Path.GetTempPath(), "wd-experts-" + Guid.NewGuid().ToString("N"));

    public void Dispose()
    {
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void TheDefaultFollowsFormAndShape()
    {
        Assert.Equal(new ExpertDispatch(8, 4, 64), ExpertDispatch.Default(Tiles));
        Assert.Equal(new ExpertDispatch(11, 11, Always), ExpertDispatch.Default(Float)); // 12 tokens are 96 slots of 128 experts
        Assert.Equal(new ExpertDispatch(1, 1, Always), ExpertDispatch.Default(Float with { Experts = 4 }));
        Assert.Equal(new ExpertDispatch(Always, Always, Always), ExpertDispatch.Default(Lanes));
    }

    [Fact]
    public void TheUsersNumbersGoWhereThereIsAChoice()
    {
        Assert.Equal(new ExpertDispatch(3, 2, 64), ExpertDispatch.Default(Tiles).With((3, 2), Tiles));
        Assert.Equal(new ExpertDispatch(Always, Always, Always), ExpertDispatch.Default(Lanes).With((3, 2), Lanes));
        Assert.Equal("alone up to 3 tokens (gate/up) and 2 (down)", new ExpertDispatch(3, 2, 64).ToString());
        Assert.Equal("alone up to 1 token (gate/up) and always (down)", new ExpertDispatch(1, Always, Always).ToString());
        Assert.Equal("always alone", new ExpertDispatch(Always, Always, Always).ToString());
    }

    /// <summary>Times of one way and of the other at 2, 3, 4 … tokens, and how many of them the first takes.</summary>
    [Theory]
    [InlineData(new double[0], new double[0], 0)]
    [InlineData(new[] { 1.0, 2, 3 }, new[] { 4.0, 4, 4 }, 3)]
    [InlineData(new[] { 5.0, 6, 7 }, new[] { 4.0, 4, 4 }, 0)]
    [InlineData(new[] { 2.0, 3, 6 }, new[] { 4.0, 4, 4 }, 2)]
    [InlineData(new[] { 2.0, 4, 6 }, new[] { 4.0, 4, 4 }, 2)] // a tie
    [InlineData(new[] { 4.0, 4, 4 }, new[] { 4.0, 4, 4 }, 3)]
    [InlineData(new[] { 2.0, 4.1, 3, 3.5, 8 }, new[] { 4.0, 4, 4, 4, 4 }, 4)] // one is off
    [InlineData(new[] { 2.0, 3, 6, 8, 3.9 }, new[] { 4.0, 4, 4, 4, 4 }, 2)]
    public void TheCrossingLosesLeast(double[] first, double[] second, int expected) =>
        Assert.Equal(expected, ExpertTuner.Crossing([.. first.Select((time, i) => new WayTiming(i + 2, time, second[i]))]));

    [Fact]
    public void ThresholdsComeFromTheTimes()
    {
        var asked = new List<(ExpertWay Way, int Tokens)>();
        var timings = Measure(Tiles, 512, asked, gateUp: 10, down: 5);
        // Alone 10·T against 40 + 5·T meet at 8, 5·T against 40 + 5·T never; the prompt kernel's 300 meet 40 + 5·T between 48 and 64.
        Assert.Equal(new ExpertDispatch(8, 32, 64), ExpertTuner.Choose(Tiles, timings));
        Assert.Equal([2, 3, 4, 6, 8, 12, 16, 24], timings.GateUp.Select(t => t.Tokens)); // 16 and 24 are so much slower that 32 is not asked for
        Assert.Equal([32, 48, 64, 96, 128], timings.Prompt.Select(t => t.Tokens));
        Assert.Equal(asked.Distinct(), asked);
        Assert.Equal(128, ExpertTuner.MostTokens(Tiles, 512));

        Assert.Equal(new ExpertDispatch(1, 4, 64), ExpertTuner.Choose(Tiles, new ExpertTimings([new WayTiming(2, 9, 8)], [], [])));
        Assert.Equal(65, ExpertTuner.Choose(Tiles, new ExpertTimings([], [], [new WayTiming(64, 8, 9)])).GateUpPrompt);
    }

    [Fact]
    public void NoMoreIsMeasuredThanThereIsRoomOrChoiceFor()
    {
        var asked = new List<(ExpertWay Way, int Tokens)>();
        var timings = Measure(Float, 3, asked, gateUp: 1, down: 100);
        Assert.Equal([2, 3], timings.GateUp.Select(t => t.Tokens));
        Assert.Empty(timings.Prompt);
        Assert.Equal(new ExpertDispatch(11, 1, Always), ExpertTuner.Choose(Float, timings)); // past three tokens as by default
        asked.Clear();
        Measure(Lanes, 512, asked, 1, 1);
        Measure(Tiles, 1, asked, 1, 1);
        Assert.Empty(asked);
        Assert.Equal(0, ExpertTuner.MostTokens(Float, 1));
        Assert.Throws<OperationCanceledException>(() => ExpertTuner.Measure(Tiles, 512, (_, _) => 1, new CancellationToken(canceled: true)));
    }

    [Fact]
    public void WhatWasMeasuredIsKeptForItsDeviceAndShape()
    {
        var cache = new ExpertCache(folder, "a GPU");
        Assert.Null(cache.Find(Tiles));
        var dispatch = new ExpertDispatch(6, Always, 48);
        cache.Put(Tiles, dispatch, new ExpertTimings([new WayTiming(2, 1.5, 2.25)], [], []));
        Assert.Equal(dispatch, cache.Find(Tiles));
        Assert.Equal(dispatch, new ExpertCache(folder, "a GPU").Find(Tiles));
        Assert.Null(new ExpertCache(folder, "another GPU").Find(Tiles));
        Assert.Null(cache.Find(Tiles with { TopK = 4 }));
        Assert.EndsWith(".json", Assert.Single(Directory.GetFiles(folder)), StringComparison.Ordinal);
        cache.Put(Tiles, dispatch with { DownAlone = 2 }, new ExpertTimings([], [], []));
        Assert.Equal(2, cache.Find(Tiles)?.DownAlone);
    }

    /// <summary>What is replaced in the file's text; the whole of it where there is nothing to look for.</summary>
    [Theory]
    [InlineData("", "")]
    [InlineData("", "null")]
    [InlineData("", "[1, 2]")]
    [InlineData("\n}", "")]
    [InlineData("\"gate_up_alone\": 6", "\"gate_up_alone\": 0")]
    [InlineData("\"gate_up_alone\": 6", "\"gate_up_alone\": \"6\"")]
    [InlineData("\"gate_up_alone\": 6", "\"gate_up_alone\": 1.5")]
    [InlineData("\"gate_up_alone\"", "\"gate_up\"")]
    [InlineData("\"version\": 1", "\"version\": 2")]
    [InlineData("\"a GPU\"", "\"another GPU\"")]
    [InlineData("TopK = 8", "TopK = 4")]
    [InlineData("\"program\": \"", "\"program\": \"0")]
    public void ADamagedOrForeignFileIsNone(string from, string to)
    {
        var cache = new ExpertCache(folder, "a GPU");
        cache.Put(Tiles, new ExpertDispatch(6, 3, 48), new ExpertTimings([], [], []));
        var path = Directory.GetFiles(folder).Single();
        var text = File.ReadAllText(path).ReplaceLineEndings("\n");
        Assert.Contains(from, text, StringComparison.Ordinal);
        File.WriteAllText(path, from == "" ? to : text.Replace(from, to, StringComparison.Ordinal));
        Assert.Null(cache.Find(Tiles));
        cache.Put(Tiles, new ExpertDispatch(5, 3, 48), new ExpertTimings([], [], []));
        Assert.Equal(5, cache.Find(Tiles)?.GateUpAlone);
    }

    [Fact]
    public void AFolderThatCannotBeMadeIsNoError()
    {
        var file = Path.GetTempFileName();
        var cache = new ExpertCache(Path.Combine(file, "below"), "a GPU");
        cache.Put(Tiles, new ExpertDispatch(6, 3, 48), new ExpertTimings([], [], []));
        Assert.Null(cache.Find(Tiles));
        File.Delete(file);
    }

    /// <summary>Times that grow with the tokens: alone by so much for each, together by 5 from 40 on, and 300 for the prompt kernel.</summary>
    private static ExpertTimings Measure(in ExpertShape shape, int capacity, List<(ExpertWay Way, int Tokens)> asked, double gateUp, double down) =>
        ExpertTuner.Measure(
            shape, capacity, (way, tokens) =>
            {
                asked.Add((way, tokens));
                return way switch
                {
                    ExpertWay.GateUpAlone => gateUp * tokens,
                    ExpertWay.DownAlone => down * tokens,
                    ExpertWay.GateUpPrompt => 300,
                    _ => 40 + (5 * tokens),
                };
            },
            CancellationToken.None);
}
