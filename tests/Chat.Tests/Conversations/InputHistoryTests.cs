using WarpDecode.Chat.Conversations;
using Xunit;

namespace WarpDecode.Chat.Tests.Conversations;

/// <summary>The history of inputs, its file and the way through it.</summary>
public sealed class InputHistoryTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("wd-history-").FullName;

    private string File_ => Path.Combine(folder, "data", "history.jsonl");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void UpAndDownKeepTheDraft()
    {
        var history = With("one", "two", "three");
        Assert.Equal("three", history.Up("draft"));
        Assert.Equal("two", history.Up("three"));
        Assert.Equal("one", history.Up("two"));
        Assert.Null(history.Up("one"));
        Assert.Equal("two", history.Down("one"));
        Assert.Equal("three", history.Down("two"));
        Assert.Equal("draft", history.Down("three"));
        Assert.Null(history.Down("draft"));
    }

    [Fact]
    public void APrefixFindsWhatBeginsWithIt()
    {
        var history = With("git log", "ls", "git status", "git log");
        Assert.Equal("git log", history.Up("git", "git"));
        Assert.Equal("git status", history.Up("git log", "git"));
        Assert.Equal("git log", history.Up("git status", "git"));
        Assert.Null(history.Up("git log", "git"));
        Assert.Equal("git status", history.Down("git log", "git"));
        Assert.Equal("git log", history.Down("git status", "git"));
        Assert.Equal("git", history.Down("git log", "git"));
        Assert.Null(With("a").Up("x", "x"));
    }

    [Fact]
    public void EmptyOnesAndRepetitionsAreNotKept() => Assert.Equal(["a", "b", "a"], With("a", "a", " \n", "", "b", "a").Entries);

    [Fact]
    public void TheFileKeepsLinesOfAnyKind()
    {
        string[] entries = ["one\ntwo", "\"quoted\" \\ \u0000\u001b", "日本語 👩‍👧", new string('x', 5000)];
        var history = new InputHistory(File_);
        foreach (var e in entries) history.Add(e);
        Assert.Null(history.Problem);
        Assert.Equal(entries, new InputHistory(File_).Entries);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(File_));
        history.Add(new string('y', InputHistory.MaxEntry));
        Assert.Equal(4, new InputHistory(File_).Entries.Count);
        Assert.Equal(5, history.Entries.Count);
    }

    [Fact]
    public void ATornLineCostsOnlyItself()
    {
        var history = new InputHistory(File_);
        history.Add("one");
        File.AppendAllText(File_, "\"torn");
        history.Add("two");
        Assert.Equal(["one", "two"], new InputHistory(File_).Entries);
        File.AppendAllText(File_, "5\n\n{}\n\"\\ud800\"\n\"three\"\n");
        Assert.Equal(["one", "two", "three"], new InputHistory(File_).Entries);
    }

    [Fact]
    public void ManyAtOnceLoseNothing()
    {
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            var history = new InputHistory(File_);
            for (var n = 0; n < 20; n++) history.Add($"{i}-{n}");
            Assert.Null(history.Problem);
        });
        var all = new InputHistory(File_).Entries;
        Assert.Equal(160, all.Count);
        for (var i = 0; i < 8; i++) Assert.Equal(Enumerable.Range(0, 20).Select(n => $"{i}-{n}"), all.Where(e => e.StartsWith($"{i}-", StringComparison.Ordinal)));
    }

    [Fact]
    public void AFileThatGrewIsMadeShorterAndKeepsTheNewest()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File_)!);
        File.WriteAllLines(File_, Enumerable.Range(0, 20_000).Select(i => $"\"entry {i}\""));
        var history = new InputHistory(File_);
        Assert.Equal(InputHistory.MaxEntries, history.Entries.Count);
        Assert.Equal("entry 19999", history.Entries[^1]);
        Assert.Equal(InputHistory.MaxEntries, File.ReadLines(File_).Count());
        File.WriteAllLines(File_, Enumerable.Range(0, 200).Select(i => $"\"{i} {new string('x', 60_000)}\""));
        Assert.StartsWith("199 ", new InputHistory(File_).Entries[^1], StringComparison.Ordinal);
        Assert.True(new FileInfo(File_).Length <= InputHistory.MaxBytes);
    }

    [Fact]
    public void WhatCannotBeWrittenIsSaid()
    {
        File.WriteAllText(Path.Combine(folder, "data"), "no folder");
        var history = new InputHistory(File_);
        history.Add("one");
        Assert.Contains("cannot be saved", history.Problem, StringComparison.Ordinal);
        Assert.Equal(["one"], history.Entries);
    }

    private static InputHistory With(params string[] entries)
    {
        var history = new InputHistory();
        foreach (var e in entries) history.Add(e);
        return history;
    }
}
