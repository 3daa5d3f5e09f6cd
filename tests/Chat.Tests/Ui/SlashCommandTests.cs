using CsCheck;
using WarpDecode.Chat.Ui;
using WarpDecode.Runtime;
using Xunit;

namespace WarpDecode.Chat.Tests.Ui;

/// <summary>Commands that begin with a slash: what is one, what it says, how it goes on.</summary>
public sealed class SlashCommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("wd-slash-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("/help", "help", "")]
    [InlineData("/?", "help", "")]
    [InlineData("/QUIT", "quit", "")]
    [InlineData("/bye", "quit", "")]
    [InlineData("/set temp 0.7", "set", "temp 0.7")]
    [InlineData("/system  Be brief.\nAlways. ", "system", "Be brief.\nAlways.")]
    [InlineData("/system\nBe brief.", "system", "Be brief.")]
    public void Commands(string text, string name, string argument) => Assert.Equal(new SlashCommand(name, argument), SlashCommands.Parse(text, out _));

    [Theory]
    [InlineData("hello", "hello")]
    [InlineData(" /help", " /help")]
    [InlineData("//usr/bin is a path", "/usr/bin is a path")]
    [InlineData("", "")]
    public void Messages(string text, string message)
    {
        Assert.Null(SlashCommands.Parse(text, out var sent));
        Assert.Equal(message, sent);
    }

    [Theory]
    [InlineData("/hepl", "there is no command /hepl", "/help is the nearest")]
    [InlineData("/brnach x", "there is no command /brnach", "/branch is the nearest")]
    [InlineData("/exp", "there is no command /exp", "/export is the nearest")]
    [InlineData("/zzzzzzzz", "there is no command /zzzzzzzz", "/help lists them. //")]
    [InlineData("/", "there is no command /", "/help lists them")]
    [InlineData("/usr/bin/env", "there is no command /usr/bin/env", "// at the beginning")]
    [InlineData("/file", "/file needs PATH", "attach a text file")]
    [InlineData("/undo 3", "/undo takes nothing after it, not '3'", "go back")]
    public void Mistakes(string text, string message, string advice)
    {
        var e = Assert.Throws<CommandException>(() => SlashCommands.Parse(text, out _));
        Assert.Contains(message, e.Message, StringComparison.Ordinal);
        Assert.Contains(advice, e.Advice, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a  b", new[] { "a", "b" })]
    [InlineData("'a b' \"c \\\" d\" e", new[] { "a b", "c \" d", "e" })]
    [InlineData("My\\ File.txt", new[] { "My File.txt" })]
    [InlineData("it's", new[] { "it's" })]
    [InlineData("\"\" x", new[] { "", "x" })]
    [InlineData("C:\\Users\\me", new[] { "C:\\Users\\me" })]
    [InlineData("", new string[0])]
    public void Words(string text, string[] words) => Assert.Equal(words, SlashWords.Split(text));

    [Fact]
    public void QuotedWordsComeBack() =>
        Gen.String[Gen.Int[0, 7].Select(i => "abc \"'\\\t"[i]), 0, 12].Array[1, 4].Sample(words =>
            Assert.Equal(words, SlashWords.Split(string.Join(' ', words.Select(w => SlashWords.Quoted(w))))), iter: 2000);

    [Fact]
    public void APathMayHaveSpacesQuotedOrNot()
    {
        Assert.Equal("my file.txt", SlashCommands.Parse("/file my file.txt", out _)!.Path);
        Assert.Equal("my file.txt", SlashCommands.Parse("/file \"my file.txt\"", out _)!.Path);
        Assert.Equal("my file.txt", SlashCommands.Parse("/file my\\ file.txt", out _)!.Path);
        Assert.Throws<CommandException>(() => SlashCommands.Parse("/file \"my file.txt", out _)!.Path);
    }

    [Fact]
    public void EverySettingTakesWhatItShowsAndRefusesOthers()
    {
        var options = new GenerationOptions();
        foreach (var setting in Settings.Table)
        {
            Assert.Equal(setting.Format(options), setting.Format(Settings.Apply(options, $"{setting.Name} {setting.Format(options)}").Options));
            Assert.Contains(setting.Range, Settings.Help(), StringComparison.Ordinal);
            if (setting.Name == "stop") continue;
            foreach (var bad in new[] { "many", "-5", "NaN", "1e999", "0x10", "\"\"", "99999999999999999999999" })
            {
                var e = Assert.Throws<CommandException>(() => Settings.Apply(options, $"{setting.Name} {bad}"));
                Assert.Contains($"{setting.Name} takes {setting.Range}, not", e.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void SettingsChangeWhatTheySay()
    {
        var options = new GenerationOptions();
        foreach (var (text, check) in new (string, Func<GenerationOptions, bool>)[]
        {
            ("temp 0.7", o => o.Sampling.Temperature == 0.7), ("temp=0.25", o => o.Sampling.Temperature == 0.25), ("TOP-K = 7", o => o.Sampling.TopK == 7),
            ("top-p .5", o => o.Sampling.TopP == 0.5), ("min-p 0", o => o.Sampling.MinP == 0), ("repeat-penalty 1.1", o => o.Sampling.RepeatPenalty == 1.1),
            ("repeat-last-n 5", o => o.Sampling.RepeatLastN == 5), ("seed 18446744073709551615", o => o.Sampling.Seed == ulong.MaxValue), ("seed -1", o => o.Sampling.Seed is null),
            ("max-tokens 9", o => o.MaxTokens == 9), ("max-tokens -1", o => o.MaxTokens is null), ("stop \"the = end\"", o => o.Stop is ["the = end"]), ("stop \"\"", o => o.Stop.Count == 0),
        }) Assert.True(check(Settings.Apply(options, text).Options), text);
        Assert.Contains("temp", Settings.Apply(options, "").Said, StringComparison.Ordinal);
        Assert.Contains("temp is 0.8", Settings.Apply(options, "temp").Said, StringComparison.Ordinal);
        Assert.Contains("temp is the nearest", Assert.Throws<CommandException>(() => Settings.Apply(options, "tmep 1")).Advice, StringComparison.Ordinal);
        Assert.Contains("not 3 words", Assert.Throws<CommandException>(() => Settings.Apply(options, "temp 1 2")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Completions()
    {
        File.WriteAllText(Path.Combine(folder, "a note.md"), "x");
        File.WriteAllText(Path.Combine(folder, "model.gguf"), "x");
        File.WriteAllText(Path.Combine(folder, ".hidden"), "x");
        Directory.CreateDirectory(Path.Combine(folder, "sub"));
        var commands = new SlashCommands
        {
            Branches = () => ["main", "try"],
            Conversations = s => new[] { ("work", "Title") }.Where(c => c.Item1.StartsWith(s, StringComparison.Ordinal)),
            Value = _ => "7",
        };
        string[] Texts(string before) => [.. commands.Complete(before).Select(c => c.Text)];

        Assert.Equal(["branch ", "branches"], Texts("/br"));
        Assert.Equal(SlashCommands.Table.Count, Texts("/").Length);
        Assert.Equal(["main", "try"], Texts("/branch "));
        Assert.Equal(["temp "], Texts("/set t").Where(t => t.StartsWith("te", StringComparison.Ordinal)));
        Assert.Contains("7;", commands.Complete("/set temp")[0].Help, StringComparison.Ordinal);
        Assert.Equal("work", Texts("/load w")[0]);
        Assert.Equal([$"{folder}/sub/", $"{folder}/a note.md", $"{folder}/model.gguf"], Texts($"/file {folder}/"));
        Assert.Equal([$"{folder}/.hidden"], Texts($"/file {folder}/."));
        Assert.Equal([$"\"{folder}/a note.md\""], Texts($"/file \"{folder}/a"));
        Assert.Equal([$"{folder}/sub/", $"{folder}/model.gguf"], Texts($"/model {folder}/"));
        Assert.Equal([$"{folder}/sub/", $"{folder}/a note.md"], Texts($"/export {folder}/"));
        Assert.Equal(6, commands.Complete($"/file {folder}/")[0].Start);
        foreach (var none in new[] { "", "hello", "//", "/undo ", "/nothing x", "/file /no/such/folder/x", "/file \0", "/set temp 1", "/help\nx" }) Assert.Empty(Texts(none));
    }

    [Fact]
    public void HelpHasEveryCommandAndNamesAreUnique()
    {
        foreach (var c in SlashCommands.Table)
        {
            Assert.Contains($"/{c.Name}", SlashCommands.Help(), StringComparison.Ordinal);
            Assert.Contains(c.Help, SlashCommands.Help(c.Name), StringComparison.Ordinal);
        }
        var names = SlashCommands.Table.SelectMany(c => c.Aliases.Prepend(c.Name)).ToList();
        Assert.Equal(names.Count, names.Distinct(StringComparer.OrdinalIgnoreCase).Count());
        Assert.All(SlashCommands.Help().Split('\n'), line => Assert.True(line.Length <= 100, line));
    }
}
