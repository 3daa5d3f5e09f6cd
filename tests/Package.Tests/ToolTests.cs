using Xunit;

namespace WarpDecode.Package.Tests;

/// <summary>wd-run, installed from its package.</summary>
public sealed class ToolTests(Workspace workspace)
{
    [Fact]
    public async Task SaysItsVersion() => Assert.StartsWith(Workspace.BaseVersion, (await WdRunAsync("--version")).Succeeds().Output, StringComparison.Ordinal);

    [Theory]
    [InlineData]
    [InlineData("-p", "hi")]
    public async Task SaysWhereToGetAModel(params string[] arguments)
    {
        var run = await WdRunAsync(arguments);
        Assert.Equal((2, ""), (run.Code, run.Output));
        Assert.Matches(@"\Aerror: no MODEL was given.*\nhint:  .*GGUF.*huggingface\.co.*\n\z", run.Errors);
    }

    [Fact]
    public async Task SaysSoOfAMissingFileToo()
    {
        var path = Path.Combine(workspace.Folder, "no-such.gguf");
        var run = await WdRunAsync(path, "-p", "hi");
        Assert.Equal((1, ""), (run.Code, run.Output));
        Assert.Contains($"error: {path}: no such file", run.Errors, StringComparison.Ordinal);
        Assert.Contains("huggingface.co", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answers() => Assert.Contains(
        "Paris", (await WdRunAsync(Workspace.Model, "-p", "What is the capital of France?", "--temp", "0")).Succeeds().Output, StringComparison.Ordinal);

    private async Task<Outcome> WdRunAsync(params string[] arguments) => await Run.ToEndAsync(await workspace.Tool, arguments, workspace.Folder);
}
