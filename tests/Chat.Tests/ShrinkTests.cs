using System.Text.RegularExpressions;
using Xunit;

namespace WarpDecode.Chat.Tests;

/// <summary>A model file that is cut while the program computes with it: two lines of error and exit code 1, not the end by a signal.</summary>
public sealed class ShrinkTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly string folder = Directory.CreateTempSubdirectory("wd-shrink-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(0)] // all of it gone
    [InlineData(1_000_001)] // cut within the weights
    public void DuringPrompts(long left)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads of maps are guarded on Linux, x64 and arm64");
        var model = Path.Combine(folder, "model.gguf");
        File.Copy(WdRun.Model, model);
        var text = Path.Combine(folder, "text");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 50_000).Select(i => $"{i} ")));
        // A window of 256 tokens for each token of the text: takes minutes, on all threads.
        using var running = WdRun.Start("perplexity", model, "-f", text, "-c", "256", "--stride", "1", "--backend", "cpu");
        running.CloseInput();
        running.Await(() => running.OutputLength > 0, "it computed");
        Cut(model, left, out var length);
        AssertSaid(running.Wait(Deadline), model, length, left);
    }

    [Theory]
    [InlineData("cpu")]
    [InlineData("reference")]
    public void DuringAnAnswer(string backend)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads of maps are guarded on Linux, x64 and arm64");
        var model = Path.Combine(folder, "model.gguf");
        File.Copy(WdRun.Model, model);
        using var running = WdRun.Start(model, "--backend", backend, "--temp", "0");
        running.Send("Hello\n"u8.ToArray());
        running.Await(() => running.OutputLength > 0, "the answer began");
        Cut(model, 4096, out var length);
        running.Send("And now?\n"u8.ToArray()); // should the first answer have ended
        running.CloseInput();
        AssertSaid(running.Wait(Deadline), model, length, 4096);
    }

    // Not by Fails: what was computed before is on stdout.
    private static void AssertSaid(Outcome outcome, string model, long length, long left)
    {
        Assert.Matches($@"\Aerror: {Regex.Escape(model)}: shrank from {length} to {left} bytes while it was open\nhint:  .*open it again.*\n\z", outcome.Errors);
        Assert.Equal(1, outcome.Code);
    }

    private static void Cut(string path, long left, out long length)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        length = stream.Length;
        stream.SetLength(left);
    }
}
