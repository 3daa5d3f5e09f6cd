using Xunit;

namespace WarpDecode.Package.Tests;

/// <summary>samples/console: the ten lines.</summary>
public sealed class ConsoleTests(Workspace workspace)
{
    [Fact]
    public async Task Answers()
    {
        var run = (await workspace.RunSampleAsync("console", Workspace.Model)).Succeeds();
        Assert.Contains("Paris", run.Output, StringComparison.Ordinal);
        Assert.Equal("", run.Errors);
    }

    [Fact]
    public async Task SaysWhereToGetAModel()
    {
        var run = await workspace.RunSampleAsync("console"); // its model.gguf is nowhere
        Assert.NotEqual(0, run.Code);
        Assert.Contains("model.gguf: no such file", run.Errors, StringComparison.Ordinal);
        Assert.Contains("huggingface.co", run.Errors, StringComparison.Ordinal);
    }
}
