using System.Diagnostics;
using Xunit;

namespace WarpDecode.Chat.Tests.Ui;

/// <summary>What scripts and pipes do not use is not loaded for them.</summary>
public sealed class NotLoadedTests
{
    [Fact]
    public void AChatOverAPipeLoadsNothingOfTheScreen()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs /proc");
        var start = new ProcessStartInfo(WdRun.Path, [WdRun.Model, "-n", "2", "-t", "1"])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["CUDA_VISIBLE_DEVICES"] = "";
        using var process = Process.Start(start)!;
        process.StandardInput.WriteLine("hello");
        process.StandardInput.Flush();
        Assert.NotEqual(-1, process.StandardOutput.Read()); // all of the path was run
        var maps = File.ReadAllText($"/proc/{process.Id}/maps");
        Assert.Contains("WarpDecode.Runtime.dll", maps, StringComparison.Ordinal); // they are told there
        Assert.DoesNotContain("Terminal.Gui.dll", maps, StringComparison.Ordinal);
        Assert.DoesNotContain("Markdig.dll", maps, StringComparison.Ordinal);
        process.StandardInput.Close();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }
}
