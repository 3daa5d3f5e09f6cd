using Xunit;

namespace WarpDecode.Chat.Tests;

/// <summary>What goes wrong in the work itself: exit code 1, one line of what, one of what to do.</summary>
public sealed class FailureTests(ModelFiles files) : IClassFixture<ModelFiles>
{
    // Every command that opens a model.
    public static TheoryData<string[]> Commands => new(
        ["MODEL", "-p", "hi"], ["MODEL"], ["info", "MODEL"], ["tokenize", "MODEL", "hi"], ["detokenize", "MODEL", "1"], ["logits", "MODEL", "--tokens", "1"]);

    [Theory]
    [MemberData(nameof(Commands))]
    public void AMissingFile(string[] command)
    {
        var path = Path.Combine(files.Folder, "no", "such.gguf");
        Run(command, path).Fails(1, $"{path}: no such file", "Check the path");
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void ADamagedFile(string[] command) => Run(command, files.Truncated).Fails(1, "truncated.gguf: ");

    [Theory]
    [MemberData(nameof(Commands))]
    public void AFileThatIsNoModel(string[] command) => Run(command, files.Garbage).Fails(1, "garbage.gguf: ");

    [Theory]
    [MemberData(nameof(Commands))]
    public void AFolder(string[] command) => Run(command, files.Folder).Fails(1, "is a folder", "Give the path");

    [Fact]
    public void SamplingThatTheFileSuggestsAndThereIsNot()
    {
        var model = files.StrangeSampling;
        WdRun.Run(model, "-p", "hi").Fails(2, "there is no stage 'best'", "--samplers");
        WdRun.Run(model, "-p", "hi", "--samplers", "top_k").Fails(2, "version 1 is not supported: use 2; it is 1", "goes before");
        WdRun.Run(model, "-p", "hi", "-n", "1", "--samplers", "top_k", "--mirostat", "0").Succeeds();
    }

    [Theory]
    [InlineData("MODEL", "-p", "hi")]
    [InlineData("logits", "MODEL", "--tokens", "1")]
    public void NoWeights(params string[] command) => Run(command, files.VocabularyOnly).Fails(1, "vocabulary.gguf: ");

    [Theory]
    [InlineData("MODEL", "-p", "hi")]
    [InlineData("MODEL")]
    [InlineData("logits", "MODEL", "--tokens", "1")]
    public void AnUnknownArchitecture(params string[] command) => Run(command, files.UnknownArchitecture).Fails(1, "'no-such-architecture'");

    [Theory]
    [InlineData("MODEL", "-p", "hi")]
    [InlineData("MODEL")]
    [InlineData("tokenize", "MODEL", "hi")]
    [InlineData("detokenize", "MODEL", "1")]
    public void AnUnknownTokenizer(params string[] command) => Run(command, files.UnknownTokenizer).Fails(1, "no-such-kind");

    [Fact]
    public void LogitsNeedNoTokenizer()
    {
        var without = Run(["logits", "MODEL", "--tokens", "1,2"], files.WithoutTokenizer).Succeeds();
        Assert.Equal(2, without.Lines.Length);
        Assert.DoesNotContain('"', without.Text);
    }

    [Theory]
    [InlineData("MODEL", "-p", "hi")]
    [InlineData("MODEL")]
    public void ATemplateIsNeverGuessed(params string[] command)
    {
        Run(command, files.WithoutTemplate).Fails(1, "no chat template", "--raw");
        WdRun.RunWith("hi\n", [.. command.Select(word => word == "MODEL" ? files.StrangeTemplate : word)]).Fails(1, "'magic' is undefined", "--raw");
        Run(["MODEL", "-p", "hi", "--raw", "-n", "2"], files.StrangeTemplate).Succeeds();
    }

    [Fact]
    public void APromptLongerThanTheContext()
    {
        WdRun.Complete("-p", "a long prompt", "-c", "6").Fails(1, "the context has 6", "-c");
        WdRun.RunWith("a long prompt\n", WdRun.Model, "-c", "6").Fails(1, "the context has 6", "-c");
        WdRun.Run("logits", WdRun.Model, "--tokens", "1,2,3,4", "-c", "3").Fails(1, "4 more tokens do not fit", "-c");
    }

    [Fact]
    public void WhatLeavesNoTokenIsNotTheModelsFault()
    {
        var bias = Enumerable.Range(0, 512).SelectMany(id => new[] { "-l", $"{id}-inf" });
        WdRun.Run([WdRun.Model, "-p", "hi", "-t", "1", .. bias]).Fails(1, "no token is possible", "Loosen");
    }

    [Fact]
    public void DamagedWeights() => WdRun.Run(files.NotANumber, "-p", "hi").Fails(1, "the model gave NaN logits", "--backend reference");

    [Fact]
    public void FilesThatCannotBeReadOrWritten()
    {
        var path = Path.Combine(files.Folder, "no", "such");
        WdRun.Run("tokenize", WdRun.Model, "-f", path).Fails(1, path, "Check the path");
        WdRun.Run("logits", WdRun.Model, "--tokens", "1", "--out", path).Fails(1, path, "Check the path");
    }

    [Fact]
    public void AFullDisk()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "there is no /dev/full here");
        WdRun.Shell("\"$wd\" \"$m\" -p hi -n 5 > /dev/full").Fails(1, "No space left on device");
        WdRun.Shell("\"$wd\" logits \"$m\" --tokens 1 --out /dev/full").Fails(1, "No space left on device");
    }

    private static Outcome Run(string[] command, string model) => WdRun.Run([.. command.Select(word => word == "MODEL" ? model : word)]);
}
