using System.Globalization;
using WarpDecode.Fuzz;
using Xunit;

namespace WarpDecode.Formats.Tests;

/// <summary>
/// The managed loop of tests/Fuzz, for some seconds and with a fixed seed. WD_FUZZ_SECONDS says how many; `Fuzz --parser gguf
/// --minutes 60` runs it longer.
/// </summary>
public abstract class FuzzTests
{
    private const double Seconds = 20;

    internal static void Run(Target target)
    {
        var seconds = double.TryParse(Environment.GetEnvironmentVariable("WD_FUZZ_SECONDS"), CultureInfo.InvariantCulture, out var asked) ? asked : Seconds;
        var loop = new Loop(target, seed: 1);
        var stop = TestContext.Current.CancellationToken;
        var run = Task.Factory.StartNew(() => loop.Run(TimeSpan.FromSeconds(seconds), stopAtFirst: true, stop), stop, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        while (!run.Wait(1000, stop))
        {
            if (loop.Hangs(TimeSpan.FromSeconds(30)) is { } hanging) Assert.Fail($"an input takes longer than 30 s: {Convert.ToHexString(hanging)}");
        }
        if (loop.Findings.Count > 0) Assert.Fail($"{loop.Findings[0].What}\n{Convert.ToHexString(loop.Findings[0].Bytes)}");
        TestContext.Current.SendDiagnosticMessage($"{target.Name}: {loop.Executions} executions, {loop.Read} read, {loop.Outcomes.Count} outcomes");
        // Or else the mutations are too weak or too strong to test anything.
        Assert.True(loop.Outcomes.Count > 20, $"{loop.Outcomes.Count} outcomes");
        Assert.InRange(loop.Read, loop.Executions / 100, loop.Executions * 9 / 10);
    }
}

/// <summary>Hostile GGUF files.</summary>
public sealed class GgufFuzzTests : FuzzTests
{
    [Fact]
    public void ReadsOrRefuses() => Run(Target.Gguf);
}

/// <summary>Hostile safetensors files.</summary>
public sealed class SafetensorsFuzzTests : FuzzTests
{
    [Fact]
    public void ReadsOrRefuses() => Run(Target.Safetensors);
}

/// <summary>What the fuzzing itself rests on.</summary>
public sealed class FuzzToolTests
{
    [Theory]
    [InlineData("gguf")]
    [InlineData("safetensors")]
    public void TheCorpusIsReadAndSmall(string name)
    {
        var target = Target.Of(name);
        using var input = new Input(Loop.Longest);
        var inputs = target.Corpus().ToList();
        Assert.InRange(inputs.Count, 8, 100);
        Assert.InRange(inputs.Sum(i => i.Length), 1, 150_000);
        foreach (var bytes in inputs) target.Read(input.Map(bytes)); // each good: mutations begin with what is read to its end
    }

    [Fact]
    public void FindsFaults() // a loop that reported nothing would prove nothing
    {
        var failing = new Loop(Target.Gguf with { Read = _ => throw new FormatException("x") }, 1);
        failing.Run(TimeSpan.FromSeconds(1), stopAtFirst: true, TestContext.Current.CancellationToken);
        Assert.Contains("FormatException", failing.Findings[0].What, StringComparison.Ordinal);

        var greedy = new Loop(Target.Gguf with { Read = _ => GC.KeepAlive(new byte[80 << 20]) }, 1);
        greedy.Run(TimeSpan.FromSeconds(1), stopAtFirst: true, TestContext.Current.CancellationToken);
        Assert.Contains("allocated 8388", greedy.Findings[0].What, StringComparison.Ordinal);

        var clock = new Clock();
        var slow = new Loop(Target.Gguf with { Read = _ => clock.Now += TimeSpan.FromSeconds(1.1) }, 1, clock);
        using var input = new Input(1);
        slow.Try(input, [1]);
        Assert.Contains("took 1.1 s", slow.Findings[0].What, StringComparison.Ordinal);
    }

    [Fact]
    public void MutationsAreTheSameForOneSeed()
    {
        foreach (var target in (Target[])[Target.Gguf, Target.Safetensors])
        {
            var inputs = target.Corpus().ToArray();
            byte[][] Make() => [.. Enumerable.Range(0, 200).Select(i => target.Mutator.Mutate(inputs[i % inputs.Length], inputs[(i + 1) % inputs.Length], new Random(i), Loop.Longest))];
            Assert.Equal(Make(), Make());
        }
    }

    /// <summary>Time that passes when it is told to.</summary>
    private sealed class Clock : TimeProvider
    {
        public TimeSpan Now { get; set; } = TimeSpan.FromSeconds(1);

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }
}
