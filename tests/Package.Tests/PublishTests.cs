using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Package.Tests;

/// <summary>Ways of publishing a program with the package in it.</summary>
public sealed class PublishTests(Workspace workspace)
{
    private static string Rid => System.Runtime.InteropServices.RuntimeInformation.RuntimeIdentifier;

    [Theory]
    [InlineData("WD0001", "PublishTrimmed=true")]
    [InlineData("WD0002", "PublishAot=true")]
    public async Task WhatCannotWorkIsAnErrorOfTheBuild(string code, string property)
    {
        var run = await CheckAsync($"-p:{property}");
        Assert.NotEqual(0, run.Code);
        Assert.Contains($"error {code}: WarpDecode.Runtime cannot be ", run.Output, StringComparison.Ordinal);
        Assert.Contains("WarpDecodeGpu", run.Output, StringComparison.Ordinal);
        (await CheckAsync($"-p:{property}", "-p:WarpDecodeGpu=false")).Succeeds();
    }

    [Theory]
    [InlineData("self-contained", "--self-contained")]
    [InlineData("single-file", "--self-contained", "-p:PublishSingleFile=true")]
    public async Task Answers(string name, params string[] arguments)
    {
        SlowTests.Skip();
        var folder = await PublishAsync(name, arguments);
        if (name == "single-file") Assert.Equal(["console"], Directory.GetFiles(folder).Select(Path.GetFileNameWithoutExtension).Distinct());
        await AssertAnswersAsync(folder);
    }

    [Theory]
    [InlineData("trimmed", "--self-contained", "-p:PublishTrimmed=true", "-p:WarpDecodeGpu=false")]
    [InlineData("aot", "-p:PublishAot=true", "-p:WarpDecodeGpu=false")]
    public async Task AnswersWithoutGpu(string name, params string[] arguments)
    {
        SlowTests.Skip();
        await AssertAnswersAsync(await PublishAsync(name, arguments));
    }

    private async Task<Outcome> CheckAsync(params string[] properties) => await Run.ToEndAsync(
        Run.Dotnet, ["msbuild", Path.Combine(await workspace.Samples, "console"), "-t:WarpDecodeCheckPublish", .. properties, .. workspace.BuildArguments], workspace.Folder);

    // A copy of the sample for each: what restoring it for a runtime leaves behind is not the other tests'.
    private async Task<string> PublishAsync(string name, string[] arguments)
    {
        var samples = await workspace.Samples;
        var (project, folder) = (Path.Combine(workspace.Folder, "samples", $"console-{name}"), Path.Combine(workspace.Folder, name));
        Directory.CreateDirectory(project);
        foreach (var file in new[] { "console.csproj", "Program.cs" }) File.Copy(Path.Combine(samples, "console", file), Path.Combine(project, file));
        await Run.SdkAsync(project, ["publish", "console.csproj", "-c", "Release", "-r", Rid, "-o", folder, .. arguments, "-warnaserror", .. workspace.BuildArguments]);
        return folder;
    }

    private static async Task AssertAnswersAsync(string folder)
    {
        var program = Path.Combine(folder, OperatingSystem.IsWindows() ? "console.exe" : "console");
        var run = (await Run.ToEndAsync(program, [Workspace.Model], Path.GetTempPath(), ("DOTNET_ROOT", null))).Succeeds();
        Assert.Contains("Paris", run.Output, StringComparison.Ordinal);
        Assert.Equal("", run.Errors);
    }
}
