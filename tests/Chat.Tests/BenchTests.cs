using System.Text.Json;
using WarpDecode.Runtime.Benchmarking;
using Xunit;

namespace WarpDecode.Chat.Tests;

/// <summary><c>wd-run bench</c> as a process.</summary>
public class BenchTests
{
    private static readonly string[] Short = ["--backend", "cpu", "-p", "8", "-n", "4", "-r", "2", "-t", "1"];

    [Fact]
    public void JsonOfTheDefaultModel()
    {
        using var json = JsonDocument.Parse(WdRun.Run(["bench", .. Short, "-b", "1,2", "-d", "0,33", "--json"]).Succeeds().Bytes);
        var root = json.RootElement;
        Assert.Equal("warpdecode-tiny-moe-q8_0.gguf", root.GetProperty("model").GetString());
        var rows = root.GetProperty("rows").EnumerateArray().ToArray();
        Assert.Equal(6, rows.Length);
        Assert.Equal(["prefill", "decode", "decode", "prefill", "decode", "decode"], rows.Select(r => r.GetProperty("test").GetString()));
        Assert.Equal([0, 0, 0, 33, 33, 33], rows.Select(r => r.GetProperty("depth").GetInt32()));
        foreach (var row in rows)
        {
            Assert.Equal(2, row.GetProperty("tokens_per_second").GetProperty("values").GetArrayLength());
            Assert.InRange(row.GetProperty("share").GetDouble(), 1e-9, 1e3);
        }
    }

    [Fact]
    public void TextAndMarkdown()
    {
        var text = WdRun.Run(["bench", WdRun.Model, .. Short, "-b", "2", "-d", "0"]).Succeeds().Text;
        Assert.Contains("qwen3_moe-bf16.gguf: 2 M parameters", text, StringComparison.Ordinal);
        Assert.Contains("decode 4", text, StringComparison.Ordinal);
        var markdown = WdRun.Run(["bench", WdRun.Model, .. Short, "-b", "2", "-d", "0", "--markdown"]).Succeeds().Lines;
        Assert.Equal(4, markdown.Count(l => l.StartsWith('|'))); // header, rule, prefill, decode
    }

    [Fact]
    public void ASyntheticModelNeedsNoFile()
    {
        var text = WdRun.Run(["bench", "--synthetic", "small:Q8_0:1", .. Short, "-b", "1", "-d", "0"]).Succeeds().Text;
        Assert.Contains("synthetic small:Q8_0:1: 119 M parameters", text, StringComparison.Ordinal);
    }

    [Fact]
    public void TheHelpNamesEverySyntheticModelAndType()
    {
        var help = string.Join(' ', WdRun.Run("bench", "--help").Succeeds().Text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(
            $"random weights: {string.Join(", ", SyntheticShape.All.Select(s => s.Name))}; types {string.Join(", ", WeightMix.All.Select(m => m.Name))} (default {WeightMix.Default.Name}).",
            help, StringComparison.Ordinal);
    }

    [Fact]
    public void NotesGoToStderr()
    {
        var outcome = WdRun.Run(["bench", WdRun.Model, .. Short, "-b", "1", "-d", "0,5000"]);
        Assert.Equal(0, outcome.Code);
        Assert.Equal("note:  backend cpu, moe auto, depth 5000: not measured: 5008 tokens are needed, but the model was trained for 4096\n", outcome.Errors);
    }

    [Theory]
    [InlineData(2, "which this runtime cannot run yet", "--synthetic", "gpt-oss-20b")]
    [InlineData(2, "no synthetic model 'x'", "--synthetic", "x")]
    [InlineData(2, "--batch takes numbers from 1", "-b", "1,0")]
    [InlineData(2, "--depth takes numbers from 0", "-d", "0;5")]
    [InlineData(2, "--repeats takes 1 to", "-r", "0")]
    [InlineData(2, "--backend takes auto, cpu, cuda, reference with commas between them, not 'gpu'", "--backend", "cpu,gpu")]
    [InlineData(2, "--moe takes auto, warp-fp32", "--moe", "fast")]
    [InlineData(2, "two forms of one output", "--json", "--markdown")]
    [InlineData(2, "nothing to measure", "-p", "0", "-n", "0")]
    [InlineData(2, "5512 tokens are needed", "-d", "5000")]
    [InlineData(1, "driver", "--backend", "cuda")]
    [InlineData(1, "no-such-file", "--compare", "no-such-file")]
    public void BadUsageAndFailures(int code, string what, params string[] arguments) =>
        WdRun.Run(["bench", .. arguments]).Fails(code, what);

    [Fact]
    public void AModelAndASyntheticOneAreTooMuch() => WdRun.Run("bench", WdRun.Model, "--synthetic", "small").Fails(2, "cannot both be measured", "Leave one");

    [Fact]
    public void InterruptEndsIt()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "signals, and /proc");
        using var running = WdRun.Start("bench", WdRun.Model, "--backend", "cpu", "-r", "100000");
        running.CloseInput();
        // It says nothing where there is no terminal: it is at work when it has the model open.
        running.Await(() => File.ReadAllText($"/proc/{running.Id}/maps").Contains(".gguf", StringComparison.Ordinal), "the model was open");
        running.Signal("INT");
        var outcome = running.Wait(TimeSpan.FromSeconds(30));
        Assert.Equal(130, outcome.Code);
        Assert.Equal("", outcome.Errors);
        Assert.Equal("", outcome.Text);
    }
}
