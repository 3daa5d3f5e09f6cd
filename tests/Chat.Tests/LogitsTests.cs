using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using WarpDecode.Runtime;
using Xunit;

namespace WarpDecode.Chat.Tests;

public sealed class LogitsTests(ModelFiles files) : IClassFixture<ModelFiles>
{
    private static readonly int[] Ids = [.. Enumerable.Range(0, 150).Select(i => (i * 37) % 490)]; // more than one step of the prompt

    [Theory]
    [InlineData("cpu", BackendKind.Cpu)]
    [InlineData("reference", BackendKind.Reference)]
    public void TheFileHoldsTheEnginesBits(string name, BackendKind backend)
    {
        var path = Path.Combine(files.Folder, $"{name}.f32");
        var run = WdRun.Run("logits", WdRun.Model, "--tokens", string.Join(',', Ids), "--out", path, "--backend", name, "-t", "2");
        Assert.Equal(0, run.Code);
        Assert.Equal("", run.Text);
        Assert.Contains("[150, 512] float32", run.Errors, StringComparison.Ordinal);

        var expected = new List<byte>();
        using var engine = Engine.Open(WdRun.Model, new EngineOptions { Backend = backend, Threads = 1 });
        using var session = engine.CreateSession();
        session.Append(Ids, (_, logits) => expected.AddRange(MemoryMarshal.AsBytes(logits)));
        var found = File.ReadAllBytes(path);
        Assert.Equal(4 * 150 * 512, found.Length);
        Assert.True(expected.SequenceEqual(found));
    }

    [Fact]
    public void TheSummaryNamesTheLikeliest()
    {
        using var engine = Engine.Open(WdRun.Model, new EngineOptions { Backend = BackendKind.Cpu, Threads = 1 });
        using var session = engine.CreateSession();
        var likeliest = new List<(int Id, float Logit)>();
        session.Append([1, 2, 3], (_, logits) =>
        {
            var all = logits.ToArray();
            likeliest.AddRange(Enumerable.Range(0, all.Length).OrderByDescending(id => all[id]).Take(5).Select(id => (id, all[id])));
        });

        var lines = WdRun.Run("logits", WdRun.Model, "--tokens", "1,2,3").Succeeds().Lines;
        Assert.Equal(3, lines.Length);
        Assert.StartsWith("    0  after 1:", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("    2  after 3:", lines[2], StringComparison.Ordinal);
        var shown = lines.SelectMany(line => Regex.Matches(line, "  (\\d+) \".*?\" (-?[0-9.]+)(?=  |$)"));
        Assert.Equal(likeliest.Select(l => (l.Id, l.Logit.ToString("F4", CultureInfo.InvariantCulture))), shown.Select(m => (int.Parse(m.Groups[1].Value), m.Groups[2].Value)));
    }

    [Fact]
    public void AFileIsNotTouchedByInputThatCannotBeComputed()
    {
        var path = files.Write("old.f32", [1, 2, 3]);
        WdRun.Run("logits", WdRun.Model, "--tokens", "1,2,3", "-c", "2", "--out", path).Fails(1, "do not fit");
        Assert.Equal([1, 2, 3], File.ReadAllBytes(path));
    }
}
