using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Evaluation;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Chat.Tests;

public sealed class PerplexityTests(ModelFiles files) : IClassFixture<ModelFiles>
{
    private static readonly string Model = Path.Combine(TestData.Root, "models", DefaultModelTests.Name);
    private static readonly string HeldOut = Path.Combine(TestData.Root, "models", "eval", "heldout.txt");

    /// <summary>
    /// llama.cpp b10573 (commit d775b896) on the same file and text, CPU, -c 512 --chunks 4: 2.1484. It quantizes activations to
    /// 8 bits, we do not.
    /// </summary>
    [Fact]
    public void TheDefaultModelIsAsLlamaCppFindsItTo2In1000()
    {
        var run = WdRun.Run("perplexity", Model, "-f", HeldOut, "--chunks", "4", "--backend", "cpu").Succeeds();
        Assert.Equal(6, run.Lines.Length);
        Assert.StartsWith("[1/4] PPL = 2.3", run.Lines[0], StringComparison.Ordinal);
        var match = Regex.Match(run.Lines[4], @"^PPL = (\d+\.\d{4}) ± 0\.\d{5}$");
        Assert.True(match.Success, run.Lines[4]);
        Assert.InRange(double.Parse(match.Groups[1].Value) / 2.1484, 0.998, 1.002);
        Assert.Matches(@"^4 windows of 512 tokens, 1020 tokens scored; 2044 computed in \d+\.\d s, \d+\.\d tokens/s$", run.Lines[5]);
    }

    [Fact]
    public void JsonHoldsTheEnginesValues()
    {
        var text = Text(2_000);
        using var json = JsonDocument.Parse(WdRun.Run("perplexity", Model, "-f", text, "-c", "64", "--chunks", "3", "--backend", "cpu", "--json").Succeeds().Bytes);
        using var engine = Engine.Open(Model, new EngineOptions { Backend = BackendKind.Cpu });
        var tokens = Perplexity.Tokenize(engine.Tokenizer, File.ReadAllText(text)[..^1]); // the last newline is left out
        var expected = Perplexity.Run(engine, tokens, new PerplexityOptions { Context = 64, MostWindows = 3 });
        var root = json.RootElement;
        Assert.Equal(tokens.Length, root.GetProperty("tokens").GetInt32());
        Assert.Equal(64, root.GetProperty("context").GetInt32());
        Assert.Equal(3, root.GetProperty("windows").GetInt32());
        Assert.Equal(3 * 31, root.GetProperty("scored").GetInt32());
        Assert.Equal(expected.Perplexity.Value, root.GetProperty("perplexity").GetDouble());
        Assert.Equal(expected.Perplexity.Error, root.GetProperty("perplexity_error").GetDouble());
        Assert.Equal(3, root.GetProperty("running").GetArrayLength());
        Assert.Equal(expected.Perplexity.Value, root.GetProperty("running")[2].GetDouble());
        Assert.True(root.GetProperty("tokens_per_second").GetDouble() > 0);
        Assert.Equal(JsonValueKind.Null, root.GetProperty("divergence").ValueKind);
        Assert.Equal(JsonValueKind.Null, root.GetProperty("stride").ValueKind);
    }

    [Fact]
    public void AtAStrideAllOfTheTextIsScored()
    {
        var text = Text(1_000);
        using var json = JsonDocument.Parse(WdRun.Run("perplexity", Model, "-f", text, "-c", "64", "--stride", "32", "--json").Succeeds().Bytes);
        Assert.Equal(json.RootElement.GetProperty("tokens").GetInt32() - 1, json.RootElement.GetProperty("scored").GetInt32());
        Assert.Equal(32, json.RootElement.GetProperty("stride").GetInt32());
        var short1 = files.Write("short.txt", [.. "hello world\n"u8]);
        WdRun.Run("perplexity", WdRun.Model, "-f", short1, "--stride", "8").Succeeds();
    }

    [Fact]
    public void AModelIsNotApartFromItself()
    {
        var basis = Path.Combine(files.Folder, "self.logits");
        var saved = WdRun.Run("perplexity", Model, "-f", Text(2_000), "-c", "64", "--save-logits", basis, "--json");
        Assert.Equal(0, saved.Code);
        Assert.Matches(@"^wrote the logits of \d+ positions to ", saved.Errors);
        using var json = JsonDocument.Parse(WdRun.Run("perplexity", Model, "--kl-divergence", basis, "--json").Succeeds().Bytes);
        using var before = JsonDocument.Parse(saved.Bytes);
        var found = json.RootElement.GetProperty("divergence");
        foreach (var name in new[] { "kl_mean", "kl_mean_error", "kl_median", "kl_90", "kl_95", "kl_99", "kl_99_9", "kl_maximum", "delta_p_mean", "delta_p_rms", "same_top_error", "perplexity_ratio_error" })
            Assert.Equal(0, found.GetProperty(name).GetDouble());
        Assert.Equal(1, found.GetProperty("same_top").GetDouble());
        Assert.Equal(1, found.GetProperty("perplexity_ratio").GetDouble());
        Assert.Equal(before.RootElement.GetProperty("perplexity").GetDouble(), json.RootElement.GetProperty("perplexity").GetDouble());
        Assert.Equal(64, json.RootElement.GetProperty("context").GetInt32());
    }

    [Fact]
    public void BackendsAreNextToNothingApart()
    {
        var text = Text(700);
        var basis = Path.Combine(files.Folder, "reference.logits");
        Assert.Equal(0, WdRun.Run("perplexity", Model, "-f", text, "-c", "32", "--chunks", "2", "--backend", "reference", "--save-logits", basis).Code);
        var run = WdRun.Run("perplexity", Model, "-f", text, "--backend", "cpu", "--kl-divergence", basis).Succeeds();
        var table = run.Lines.SkipWhile(line => !line.StartsWith("against ", StringComparison.Ordinal)).ToArray();
        Assert.Equal(13, table.Length);
        var mean = double.Parse(Regex.Match(table[3], @"^KL mean +(\S+) ± \S+ nats$").Groups[1].Value);
        Assert.InRange(mean, 1e-16, 1e-9);
        Assert.Matches(@"^PPL / PPL of base  (1\.00000\d|0\.99999\d) ± 0\.00000\d$", table[2]);
        Assert.Equal("same top token     100.000 ± 0.000 %", table[12]);
        Assert.Contains("  KL = ", run.Lines[0], StringComparison.Ordinal);
    }

    public static TheoryData<int, string, string, string[]> Mistakes => new()
    {
        { 2, "there is no text", "-f FILE", [] },
        { 2, "--chunks takes 1 or more, or -1 for all, not '0'", "wd-run perplexity --help", ["-f", "TEXT", "--chunks", "0"] },
        { 2, "--stride takes 1 or more, not '0'", "wd-run perplexity --help", ["-f", "TEXT", "--stride", "0"] },
        { 2, "a stride of 32 leaves no context", "1 to 31", ["-f", "TEXT", "-c", "32", "--stride", "32"] },
        { 2, "a window of 3 tokens is too short", "4 or more", ["-f", "TEXT", "-c", "3"] },
        { 2, "were both given", "one of them", ["-f", "TEXT", "--save-logits", "x", "--kl-divergence", "TEXT"] },
        { 2, "a context of 9000 tokens was asked for", "Ask for less", ["-f", "TEXT", "-c", "9000"] },
        { 1, "two windows of 512 need 1024", "--stride", ["-f", "TEXT"] },
        { 1, "no-such-file", "Check the path", ["-f", "no-such-file"] },
        { 1, "is no file of logits", "--save-logits", ["--kl-divergence", "TEXT"] },
        { 1, "no-such-base", "Check the path", ["--kl-divergence", "no-such-base"] },
        { 1, "no-such-folder", "Check the path", ["-f", "TEXT", "-c", "32", "--save-logits", "no-such-folder/base"] },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void MistakesAreNamed(int code, string what, string toDo, string[] arguments)
    {
        var text = Text(700);
        var run = WdRun.Run(["perplexity", WdRun.Model, "--backend", "cpu", .. arguments.Select(a => a == "TEXT" ? text : a)]);
        run.Fails(code, what, toDo);
    }

    [Fact]
    public void BasesOfOthersAreRefused()
    {
        var text = Text(2_000);
        var basis = Path.Combine(files.Folder, "other.logits");
        Assert.Equal(0, WdRun.Run("perplexity", WdRun.Model, "-f", text, "-c", "32", "--chunks", "2", "--save-logits", basis).Code);
        WdRun.Run("perplexity", Model, "--backend", "cpu", "--kl-divergence", basis).Fails(1, "is of another model", "one model only");
        WdRun.Run("perplexity", WdRun.Model, "--backend", "cpu", "-f", HeldOut + "x", "--kl-divergence", basis).Fails(1, "heldout.txtx");
        WdRun.Run("perplexity", WdRun.Model, "--backend", "cpu", "-c", "64", "--kl-divergence", basis).Fails(1, "has windows of 32 tokens side by side, not windows of 64", "Leave");
        WdRun.Run("perplexity", WdRun.Model, "--backend", "cpu", "-f", files.Write("other.txt", [.. "Something else."u8]), "--kl-divergence", basis).Fails(1, "is of another text: token 0", "Leave the text away");
    }

    [Fact]
    public void LogitsThatAreNotFiniteAreAnError()
    {
        var run = WdRun.Run("perplexity", files.NotANumber, "--backend", "cpu", "-f", Text(700), "-c", "32");
        run.Fails(1, "not a finite number", "--backend reference");
    }

    [Fact]
    public void AnInterruptedRunLeavesNoFile()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are sent with kill");
        var folder = Directory.CreateDirectory(Path.Combine(files.Folder, "interrupted")).FullName;
        using var run = WdRun.Start("perplexity", Model, "--backend", "reference", "-f", HeldOut, "-c", "64", "--save-logits", Path.Combine(folder, "base"));
        run.Await(() => run.OutputLength > 0, "the first window");
        Assert.Single(Directory.GetFiles(folder)); // under its temporary name
        run.Signal("INT");
        var outcome = run.Wait(TimeSpan.FromSeconds(60));
        Assert.Equal(130, outcome.Code);
        Assert.Equal("", outcome.Errors);
        Assert.Empty(Directory.GetFiles(folder));
    }

    // The beginning of the held-out text, with a newline at the end.
    private string Text(int characters) =>
        files.Write($"{Guid.NewGuid():N}.txt", Encoding.UTF8.GetBytes(File.ReadAllText(HeldOut)[..characters] + "\n"));
}
