using System.Text.Json;
using System.Text.RegularExpressions;
using Xunit;

namespace WarpDecode.Package.Tests;

/// <summary>samples/functions: dependency injection and function calling.</summary>
public sealed class FunctionsTests(Workspace workspace)
{
    private static readonly string[] Cities = ["Berlin", "Paris", "Rome"];

    [Theory]
    [InlineData("How warm is it in Rome?")]
    [InlineData("Will it rain in Berlin?")]
    public async Task CallsAFunctionWithValidArguments(string question)
    {
        var template = Path.Combine(Path.GetDirectoryName(await workspace.SampleAsync("functions"))!, "chatml-tools.jinja");
        var output = (await workspace.RunSampleAsync(
            "functions", $"--WarpDecode:ModelPath={Workspace.Model}", $"--WarpDecode:ChatTemplateFile={template}", $"--Question={question}")).Succeeds().Output;
        var match = Regex.Match(output, @"\A(answer: [^\n]*\n)*call: (?<name>\w+) (?<arguments>\{.*\})\nresult: (?<result>\w+)\n(answer: |\z)");
        Assert.True(match.Success, output);
        var arguments = JsonDocument.Parse(match.Groups["arguments"].Value).RootElement;
        var city = arguments.GetProperty("city").GetString();
        Assert.Contains(city, Cities);
        // What it returned for these arguments: it was really called.
        if (match.Groups["name"].Value == "Rain")
        {
            Assert.Equal(2, arguments.EnumerateObject().Count());
            var hours = arguments.GetProperty("hours").GetInt32();
            Assert.InRange(hours, 0, 72);
            Assert.Equal($"{(city == "Berlin") == (hours < 12)}", match.Groups["result"].Value);
        }
        else
        {
            Assert.Equal("Temperature", match.Groups["name"].Value);
            Assert.Single(arguments.EnumerateObject());
            Assert.Equal(city switch { "Berlin" => "9", "Paris" => "14", _ => "21" }, match.Groups["result"].Value);
        }
    }

    [Fact]
    public async Task AWrongSettingIsNamed()
    {
        var run = await workspace.RunSampleAsync("functions", "--WarpDecode:ModelPath=no-such.gguf");
        Assert.NotEqual(0, run.Code);
        Assert.Contains("WarpDecode:ModelPath", run.Errors + run.Output, StringComparison.Ordinal);
        Assert.Contains("huggingface.co", run.Errors + run.Output, StringComparison.Ordinal);
    }
}
