using Xunit;

namespace WarpDecode.Chat.Tests;

/// <summary>What the command line refuses, before any work is done: exit code 2, one line of what, one of what to do.</summary>
public class UsageTests
{
    private const string Model = "MODEL"; // stands for the tiny model's path

    public static TheoryData<string, string[]> BadValues => new()
    {
        { "--max-tokens takes 1 or more, or -1 for no limit, not '0'", ["-n", "0"] },
        { "--max-tokens takes 1 or more, or -1 for no limit, not '-2'", ["--max-tokens", "-2"] },
        { "not 'many'", ["-n", "many"] },
        { "not '1.5'", ["-n", "1.5"] },
        { "not '99999999999'", ["-n", "99999999999"] },
        { "not '1,000'", ["-n", "1,000"] },
        { "--temp takes a number from 0 to 100, not '-0.1'", ["--temp", "-0.1"] },
        { "--temp takes a number from 0 to 100, not 'nan'", ["--temp", "nan"] },
        { "not 'inf'", ["--temp", "inf"] },
        { "not '0,5'", ["--temp", "0,5"] },
        { "not ''", ["--temp", ""] },
        { "--top-k takes 0 or more, not '-1'", ["--top-k", "-1"] },
        { "--top-p takes a number above 0, up to 1, not '0'", ["--top-p", "0"] },
        { "--top-p takes a number above 0, up to 1, not '1.01'", ["--top-p", "1.01"] },
        { "--min-p takes a number from 0 to 1, not '2'", ["--min-p", "2"] },
        { "--repeat-penalty takes a number above 0, up to 100, not '0'", ["--repeat-penalty", "0"] },
        { "--mirostat 1 is not supported: use 2", ["--mirostat", "1"] },
        { "--mirostat takes 0 or 2, not '3'", ["--mirostat", "3"] },
        { "--samplers: there is no stage 'best', but penalties;dry;", ["--samplers", "top_k;best"] },
        { "--logit-bias takes a token id, + or -, and a number up to 1000000 (or -inf), not '5'", ["--logit-bias", "5"] },
        { "not '5+inf'", ["-l", "5+inf"] },
        { "--repeat-last-n takes 0 to 1048576, or -1 for all, not '-2'", ["--repeat-last-n", "-2"] },
        { "--seed takes 0 or more, or -1 for a random one, not '-2'", ["--seed", "-2"] },
        { "not '1.0'", ["--seed", "1.0"] },
        { "--stop takes a text that is not empty", ["--stop", ""] },
        { "--context takes 0 or more, not '-5'", ["-c", "-5"] },
        { "--context takes 0 or more, not 'all'", ["--context", "all"] },
        { "--threads takes 0 to 1024, not '100000'", ["-t", "100000"] },
        { "--threads takes 0 to 1024, not '-1'", ["--threads", "-1"] },
        { "--backend takes auto, cpu, cuda or reference, not 'gpu'", ["--backend", "gpu"] },
        { "--backend takes auto, cpu, cuda or reference, not 'CPU'", ["--backend", "CPU"] },
        { "--gpu-layers takes 0 or more, or -1 for all, not '-2'", ["--gpu-layers", "-2"] },
        { "--moe takes auto, warp-fp32, conventional, conventional-mxfp8 or bf16, not 'fast'", ["--moe", "fast"] },
        { "--moe-alone takes auto, or tokens from 1 on for gate/up and down (8 or 8,4), not '0'", ["--moe-alone", "0"] },
        { "not '8,'", ["--moe-alone", "8,"] },
        { "not '8,4,2'", ["--moe-alone", "8,4,2"] },
        { "not '-1'", ["--moe-alone", "-1"] },
        { "not 'Auto'", ["--moe-alone", "Auto"] },
        { "not '99999999999'", ["--moe-alone", "99999999999"] },
        { "--cpu-moe takes 0 or more, not 'all'", ["--cpu-moe", "all"] },
        { "--kv-type takes f32, f16 or bf16, not 'q8'", ["--kv-type", "q8"] },
        { "--temp", ["--temp"] },
        { "--no-such-option", ["--no-such-option"] },
        { "-z", ["-z"] },
        { "expects a single argument", ["-p", "another"] },
    };

    public static TheoryData<string, string, string[]> BadCommands => new()
    {
        { "there is no option --no-such-option here", "wd-run --help", ["--no-such-option"] },
        { "--raw needs a prompt", "-p", [Model, "--raw"] },
        { "--system has no place", "--raw", [Model, "--raw", "-p", "x", "--system", "y"] },
        { "there is no token 99999", "wd-run tokenize", [Model, "-p", "x", "-l", "99999-1"] },
        { "the prompt is empty", "text", [Model, "--raw", "-p", ""] },
        { "MODEL is empty", "wd-run --help", [""] },
        { "context of 5000 tokens", "Ask for less", [Model, "-p", "x", "-c", "5000"] },
        { "on the cuda backend only", "Ask for less", [Model, "-p", "x", "--backend", "cpu", "--cpu-moe", "1"] },
        { "the cpu backend keeps them in F32", "Ask for less", [Model, "-p", "x", "--backend", "cpu", "--kv-type", "f16"] },
        { "one way only", "Ask for less", [Model, "-p", "x", "--backend", "reference", "--moe", "warp-fp32"] },
        { "on the cuda backend only", "Ask for less", [Model, "-p", "x", "--backend", "cpu", "--moe-alone", "8"] },
        { "'more'", "wd-run --help", [Model, "more"] },
        { "MODEL", "wd-run info --help", ["info"] },
        { "MODEL", "wd-run tokenize --help", ["tokenize"] },
        { "IDS", "wd-run detokenize --help", ["detokenize", Model] },
        { "--tokens", "wd-run logits --help", ["logits", Model] },
        { "there is no option --jsno here", "wd-run info --help", ["info", "--jsno"] },
        { "MODEL comes after the command", "wd-run info --help", [Model, "info", Model] },
        { "there is no option --jsno here", "--", ["tokenize", Model, "--jsno"] },
        { "there is no option -hello here", "--", ["tokenize", Model, "-hello"] },
        { "both TEXT and --file", "one of them", ["tokenize", Model, "text", "-f", "file"] },
        { "'world'", "wd-run tokenize --help", ["tokenize", Model, "hello", "world"] },
        { "--file takes a path", "wd-run tokenize --help", ["tokenize", Model, "-f", ""] },
        { "'x' is not a token id", "1,2,3", ["detokenize", Model, "1,x"] },
        { "'-1' is not a token id", "1,2,3", ["detokenize", Model, "-1"] },
        { "token id 512 is outside the vocabulary", "0 to 511", ["detokenize", Model, "511,512"] },
        { "token id 99999999999 is outside", "0 to 511", ["detokenize", Model, "99999999999"] },
        { "token id 512 is outside the vocabulary", "0 to 511", ["logits", Model, "--tokens", "512"] },
        { "'1.5' is not a token id", "1,2,3", ["logits", Model, "--tokens", "1.5"] },
        { "there are no token ids", "1,2,3", ["logits", Model, "--tokens", ""] },
        { "--out takes a path", "wd-run logits --help", ["logits", Model, "--tokens", "1", "--out", ""] },
        { "--backend takes", "wd-run logits --help", ["logits", Model, "--tokens", "1", "--backend", "gpu"] },
        { "context of 5000 tokens", "Ask for less", ["logits", Model, "--tokens", "1", "-c", "5000"] },
    };

    [Theory]
    [MemberData(nameof(BadValues))]
    public void BadValuesAreRefused(string what, string[] options) => WdRun.Run([WdRun.Model, "-p", "hi", .. options]).Fails(2, what, "wd-run --help");

    [Theory]
    [MemberData(nameof(BadCommands))]
    public void BadCommandsAreRefused(string what, string toDo, string[] arguments) =>
        WdRun.Run([.. arguments.Select(a => a == Model ? WdRun.Model : a)]).Fails(2, what, toDo);

    [Fact]
    public void WithoutAModelTheDefaultOneIsMissedByName()
    {
        Assert.SkipWhen(File.Exists(Path.Combine(AppContext.BaseDirectory, "models", DefaultModelTests.Name)), "the default model is here");
        WdRun.Run("-p", "hi").Fails(2, DefaultModelTests.Name, "Give the path");
    }

    [Fact]
    public void HelpIsOnStdout()
    {
        var help = WdRun.Run("--help").Succeeds().Text;
        foreach (var word in new[]
        {
            "-p, --prompt", "--raw", "--system", "-n, --max-tokens", "-c, --context", "--temp", "--top-k", "--top-p", "--min-p", "--repeat-penalty",
            "--samplers", "--dynatemp-range", "--typical", "--top-nsigma", "--xtc-probability", "--frequency-penalty", "--dry-multiplier", "--mirostat", "-l, --logit-bias", "--banned-string",
            "--seed", "--stop", "--backend", "auto|cpu|cuda|reference", "--gpu-layers", "--cpu-moe", "--moe", "auto|warp-fp32|conventional|conventional-mxfp8|bf16", "--moe-alone", "auto|GATEUP[,DOWN]", "--kv-type", "f32|f16|bf16", "-t, --threads", "info", "tokenize", "detokenize", "logits",
        })
        {
            Assert.Contains(word, help, StringComparison.Ordinal);
        }
        Assert.Equal(help, WdRun.Run("-h").Succeeds().Text);
    }

    [Theory]
    [InlineData("info", "--json", "--tensors")]
    [InlineData("tokenize", "--file", "--no-special")]
    [InlineData("detokenize", "<MODEL>", "<IDS>")]
    [InlineData("logits", "--tokens", "--out")]
    [InlineData("accuracy", "--window", "--markdown")]
    public void CommandsHaveHelpOfTheirOwn(string command, string first, string second)
    {
        var help = WdRun.Run(command, "--help").Succeeds().Text;
        Assert.Contains($"wd-run {command} <MODEL>", help, StringComparison.Ordinal);
        Assert.Contains(first, help, StringComparison.Ordinal);
        Assert.Contains(second, help, StringComparison.Ordinal);
        Assert.DoesNotContain("comes with the program", help, StringComparison.Ordinal); // the root's MODEL
    }

    [Fact]
    public void WithoutAGpuAutoSaysThatItTakesTheCpuAndCudaFails()
    {
        var auto = WdRun.Run(WdRun.Model, "-p", "hi", "-n", "1", "--temp", "0");
        Assert.Equal("", auto.Errors);
        Assert.StartsWith("note:  on the cpu: ", auto.Chosen, StringComparison.Ordinal);
        var cpu = WdRun.Run(WdRun.Model, "-p", "hi", "-n", "1", "--temp", "0", "--backend", "cpu").Succeeds();
        Assert.Null(cpu.Chosen);
        Assert.Equal(cpu.Bytes, auto.Bytes);
        WdRun.Run(WdRun.Model, "-p", "hi", "--backend", "cuda").Fails(1, "driver", "--backend cpu");
    }

    [Fact]
    public void VersionIsANumber() => Assert.Matches(@"\A\d+\.\d+\.\d+\S*\n\z", WdRun.Run("--version").Succeeds().Text);
}
