using System.Text.Json;
using System.Xml.Linq;
using Xunit;

namespace WarpDecode.Chat.Tests;

/// <summary>The command that compares the paths: its tables, its JSON, its plot, and what it refuses.</summary>
public sealed class AccuracyTests(ModelFiles files) : IClassFixture<ModelFiles>
{
    private static readonly string[] Few = ["--tokens", "6", "-t", "2", "--no-gpu"];

    [Fact]
    public void TablesNameEveryPathAndLayer()
    {
        var text = WdRun.Run(["accuracy", WdRun.Model, .. Few]).Succeeds();
        foreach (var word in new[] { "warp decode (FP32 activations)", "BF16 activations", "conventional (BF16 activations)", "conventional (MXFP8 activations)", "isolated", "accumulated" })
            Assert.Contains(word, text.Text, StringComparison.Ordinal);
        Assert.Contains("6 tokens in 1 sequences", text.Lines[0], StringComparison.Ordinal);
        var markdown = WdRun.Run(["accuracy", WdRun.Model, "--markdown", .. Few]).Succeeds();
        var tables = markdown.Lines.Where(l => l.StartsWith('|')).ToArray();
        Assert.Equal(3, tables.Count(l => l.StartsWith("|---|", StringComparison.Ordinal)));
        Assert.All(tables, l => Assert.EndsWith("|", l, StringComparison.Ordinal));
    }

    [Fact]
    public void JsonHasTheFiguresAndThePlotIsAnSvgWithALineForEachReading()
    {
        var plot = Path.Combine(files.Folder, "errors.svg");
        var prompt = files.Write("prompt.txt", [.. "Once upon a time there was a key."u8]);
        using var json = JsonDocument.Parse(WdRun.Run(["accuracy", WdRun.Model, "-f", prompt, "--json", "--out", plot, .. Few]).Succeeds().Text);
        var paths = json.RootElement.GetProperty("paths").EnumerateArray().ToArray();
        Assert.Equal(["warp", "bf16", "conventional", "conventional-mxfp8"], paths.Select(p => p.GetProperty("path").GetString()));
        Assert.Equal(1, paths[0].GetProperty("isolated_error_over_warp").GetDouble());
        Assert.All(paths.Skip(1), p => Assert.True(p.GetProperty("isolated_error_over_warp").GetDouble() > 1.4));
        Assert.All(paths, p => Assert.True(p.GetProperty("logits").GetProperty("kl_mean").GetDouble() < 0.1));
        var svg = XDocument.Load(plot);
        Assert.Equal("svg", svg.Root!.Name.LocalName);
        var lines = svg.Descendants().Where(e => e.Name.LocalName == "polyline").ToArray();
        Assert.True(lines.Length >= 8, $"{lines.Length} lines");
        Assert.Contains(svg.Descendants(), e => e.Name.LocalName == "text" && e.Value.Contains("conventional-mxfp8", StringComparison.Ordinal));
    }

    [Fact]
    public void BadUsageIsRefused()
    {
        WdRun.Run("accuracy").Fails(2, "MODEL", "wd-run accuracy --help");
        WdRun.Run("accuracy", WdRun.Model, "--out", "plot.png").Fails(2, "--out writes SVG", "wd-run accuracy --help");
        WdRun.Run("accuracy", WdRun.Model, "--window", "1").Fails(2, "--window takes 2 or more, not '1'");
        WdRun.Run("accuracy", WdRun.Model, "--tokens", "many").Fails(2, "--tokens takes 2 or more, not 'many'");
        WdRun.Run("accuracy", WdRun.Model, "--json", "--markdown").Fails(2, "both --json and --markdown", "one of them");
        WdRun.Run("accuracy", WdRun.Model, "-f", files.Write("empty.txt", [])).Fails(2, "less than two tokens", "at least two tokens");
        WdRun.Run("accuracy", WdRun.Model, "-f", Path.Combine(files.Folder, "missing.txt")).Fails(1, "missing.txt");
        WdRun.Run("accuracy", files.WithoutTokenizer).Fails(1, "tokenizer");
    }

    [Fact]
    public void ABaselineCanBeAskedFor()
    {
        foreach (var form in (string[])["conventional", "conventional-mxfp8", "bf16"])
            WdRun.Complete("-p", "hi", "-n", "4", "--temp", "0", "--moe", form, "--backend", "cpu").Succeeds();
        WdRun.Complete("-p", "hi", "--moe", "conventional", "--backend", "reference").Fails(2, "one way only");
    }
}
