using System.Text;
using CsCheck;
using WarpDecode.Chat.Conversations;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Text;
using Xunit;
using static WarpDecode.Chat.Tests.Conversations.ConversationTreeTests;

namespace WarpDecode.Chat.Tests.Conversations;

/// <summary>Files of conversations: what survives a kill, what is refused, who keeps whom out.</summary>
public sealed class ConversationFileTests : IDisposable
{
    private static readonly ModelIdentity Model = new("model.gguf", 123, "abc");
    private readonly string folder = Path.Combine(Path.GetTempPath(), $"wd-conv-{Guid.NewGuid():N}");

    private string Conversations => Path.Combine(folder, "conversations");

    public void Dispose()
    {
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void EverythingComesBack()
    {
        var message = new ChatMessage("assistant", "answer \u0000\u001b \"quoted\" 👩‍👧 \u2028")
        {
            Reasoning = "thought\nlong",
            ToolCalls = [new ToolCall("call_1", "weather", """{"city":"Köln"}""")],
        };
        var info = new MessageInfo
        {
            Time = new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero),
            Model = "m",
            Finish = FinishReason.MaxTokens,
            PromptTokens = 10,
            Tokens = 20,
            Seed = ulong.MaxValue,
            Settings = new Dictionary<string, string> { ["temp"] = "0.7" },
        };
        string path;
        using (var file = ConversationFile.Create(Conversations, Model, TimeProvider.System))
        {
            path = file.Path;
            file.Tree.Set("system", "Be brief.");
            file.Tree.Append(new ChatMessage("user", "question"), info);
            file.Tree.Append(message, info);
            file.Tree.Append(new ChatMessage("tool", "rain") { ToolCallId = "call_1", Name = "weather" }, info);
            file.Tree.Branch("rainy");
            file.Tree.SetTitle("Weather");
            Assert.Null(file.Problem);
        }
        using var again = ConversationFile.Open(path);
        Assert.Null(again.Repaired);
        Assert.Equal((Model, "Weather", "Be brief.", "rainy", 3), (again.Tree.Model, again.Tree.Title, again.Tree.System, again.Tree.CurrentBranch, again.Tree.Head!.Id));
        var read = again.Tree.Messages[1];
        Assert.Equal((message.Content, message.Reasoning, message.ToolCalls[0]), (read.Message.Content, read.Message.Reasoning, read.Message.ToolCalls[0]));
        Assert.Equal((info.Time, info.Model, info.Finish, info.PromptTokens, info.Tokens, info.Seed), (read.Info.Time, read.Info.Model, read.Info.Finish, read.Info.PromptTokens, read.Info.Tokens, read.Info.Seed));
        Assert.Equal("0.7", read.Info.Settings["temp"]);
        Assert.Equal(("call_1", "weather"), (again.Tree.Messages[2].Message.ToolCallId, again.Tree.Messages[2].Message.Name));
    }

    [Fact]
    public void WhatNeverBeganLeavesNoFileAndAMessageIsThereAtOnce()
    {
        using (var file = ConversationFile.Create(Conversations, Model, TimeProvider.System)) file.Tree.Set("temp", "0.5");
        Assert.False(Directory.Exists(Conversations));
        using var other = ConversationFile.Create(Conversations, Model, TimeProvider.System);
        other.Tree.Append(new ChatMessage("user", "hello"), new MessageInfo());
        Assert.Contains("\"hello\"", ReadShared(other.Path), StringComparison.Ordinal);
    }

    [Fact]
    public void OnlyTheOwnerReads()
    {
        var path = Written("one");
        if (OperatingSystem.IsWindows()) return; // its folders of a profile are private already
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Conversations));
    }

    /// <summary>Cut anywhere, what was whole before the cut is there, the cut is said, and the conversation goes on.</summary>
    [Fact]
    public void ATornLastLineIsCutAndSaid()
    {
        var path = Written("one", "two");
        var bytes = File.ReadAllBytes(path);
        var header = Array.IndexOf(bytes, (byte)'\n') + 1;
        for (var length = header; length <= bytes.Length; length++)
        {
            File.WriteAllBytes(path, bytes[..length]);
            var lines = bytes[..length].Count(b => b == '\n');
            var whole = bytes[length - 1] == '\n';
            var onlyTheEndIsMissing = !whole && bytes[length] == '\n';
            int messages;
            using (var file = ConversationFile.Open(path))
            {
                Assert.Equal(whole || onlyTheEndIsMissing, file.Repaired is null);
                messages = file.Tree.Messages.Count;
                Assert.Equal(Math.Max(0, lines - 2 + (onlyTheEndIsMissing && lines > 1 ? 1 : 0)), messages);
                file.Tree.Append(new ChatMessage("user", "and on"), new MessageInfo());
            }
            using var again = ConversationFile.Open(path);
            Assert.Null(again.Repaired);
            Assert.Equal(messages + 1, again.Tree.Messages.Count);
        }
    }

    [Fact]
    public void ZerosAtTheEndAreCut()
    {
        var path = Written("one");
        using (var stream = File.Open(path, FileMode.Append)) stream.Write(new byte[5000]);
        using var file = ConversationFile.Open(path);
        Assert.Contains("5000 bytes", file.Repaired, StringComparison.Ordinal);
        Assert.Equal(2, file.Tree.Messages.Count);
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("nonsense\n", "line 1: this is no JSON")]
    [InlineData("{}\n", "line 1: this is no conversation of wd-run")]
    [InlineData("{\"format\":\"wd-run conversation\",\"version\":2,\"id\":\"x\",\"created\":\"2026-01-01\"}\n", "version 2")]
    [InlineData("HEADER[]\n", "line 2: this is no JSON object")]
    [InlineData("HEADER{\"type\":\"dance\"}\n", "line 2: there is no kind of record 'dance'")]
    [InlineData("HEADER{\"type\":\"message\",\"id\":2,\"parent\":0,\"role\":\"user\",\"content\":\"x\",\"time\":\"2026-01-01\"}\n", "line 2: the next message is number 1, not 2")]
    [InlineData("HEADER{\"type\":\"message\",\"id\":1,\"parent\":1,\"role\":\"user\",\"content\":\"x\",\"time\":\"2026-01-01\"}\n", "line 2: there is no message number 1 yet")]
    [InlineData("HEADER{\"type\":\"message\",\"id\":1,\"parent\":0,\"role\":\"robot\",\"content\":\"x\",\"time\":\"2026-01-01\"}\n", "not 'robot'")]
    [InlineData("HEADER{\"type\":\"message\",\"id\":1e99,\"parent\":0,\"role\":\"user\",\"content\":\"x\",\"time\":\"2026-01-01\"}\n", "'id' is no number")]
    [InlineData("HEADER{\"type\":\"head\",\"id\":7}\n", "line 2: there is no message number 7 yet")]
    [InlineData("HEADER{\"type\":\"head\",\"id\":0,\"branch\":\"a\\u001b[2J\"}\n", "no proper name")]
    [InlineData("HEADER{\"type\":\"title\",\"text\":\"\\ud800\"}\n", "no UTF-8")]
    [InlineData("HEADER{\"type\":\"ti\n{\"type\":\"title\",\"text\":\"x\"}\n", "line 2: this is no JSON")]
    public void DamageIsAnErrorWithItsLine(string content, string expected)
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, "x.jsonl");
        var header = Encoding.UTF8.GetString(ConversationJson.HeaderLine("x", DateTimeOffset.UnixEpoch));
        File.WriteAllText(path, content.Replace("HEADER", header, StringComparison.Ordinal));
        var before = File.ReadAllBytes(path);
        var e = Assert.Throws<ConversationException>(() => ConversationFile.Open(path).Dispose());
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
        Assert.Contains("x.jsonl", e.Message, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Fact]
    public void DeepAndLongLinesAreRefusedQuickly()
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, "x.jsonl");
        var header = ConversationJson.HeaderLine("x", DateTimeOffset.UnixEpoch);
        File.WriteAllBytes(path, [.. header, .. Encoding.ASCII.GetBytes(new string('[', 1_000_000)), (byte)'\n']);
        Assert.Contains("line 2", Assert.Throws<ConversationException>(() => ConversationFile.Open(path)).Message, StringComparison.Ordinal);
        File.WriteAllBytes(path, header);
        using (var stream = File.OpenWrite(path)) stream.SetLength(ConversationFile.MaxLine + 200_000L); // zeros after one line that never ends
        Assert.Contains("longer than", Assert.Throws<ConversationException>(() => ConversationFile.Open(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RandomDamageNeverCrashes()
    {
        var path = Written("one", "two");
        var bytes = File.ReadAllBytes(path);
        Gen.Select(Gen.Int[0, bytes.Length - 1], Gen.Byte).Array[1, 4].Sample(changes =>
        {
            var damaged = bytes.ToArray();
            foreach (var (at, value) in changes) damaged[at] = value;
            var other = Path.Combine(folder, $"{Guid.NewGuid():N}.jsonl");
            File.WriteAllBytes(other, damaged);
            try
            {
                ConversationFile.Open(other).Dispose();
            }
            catch (ConversationException e)
            {
                Assert.DoesNotContain('\n', e.Message);
            }
            File.Delete(other);
        }, iter: 400, threads: 1);
    }

    [Fact]
    public void ASecondOneIsKeptOut()
    {
        var path = Written("one");
        using var first = ConversationFile.Open(path);
        var e = Assert.Throws<ConversationException>(() => ConversationFile.Open(path));
        Assert.Contains("open in another wd-run", e.Message, StringComparison.Ordinal);
        Assert.Equal("one", new ConversationStore(Conversations, TimeProvider.System).List().Single().Title);
    }

    [Fact]
    public void WhatCannotBeWrittenIsKeptAndWrittenLater()
    {
        File.WriteAllText(folder, "a file where the folder should be");
        using var file = ConversationFile.Create(Conversations, Model, TimeProvider.System);
        Ask(file.Tree, "one");
        Assert.Contains("cannot be saved", file.Problem, StringComparison.Ordinal);
        File.Delete(folder);
        Ask(file.Tree, "two");
        Assert.Null(file.Problem);
        using var read = ConversationFile.Peek(file.Path);
        Assert.Equal(["one", "ONE", "two", "TWO"], Texts(read.Tree));
    }

    [Fact]
    public void TheStoreListsFindsNamesAndCopies()
    {
        var store = new ConversationStore(Conversations, TimeProvider.System);
        Assert.Null(store.Newest());
        var old = Written("old question");
        File.SetLastWriteTimeUtc(old, DateTime.UnixEpoch.AddYears(40));
        var damaged = Path.Combine(Conversations, "a-damaged.jsonl");
        File.WriteAllText(damaged, "nonsense\n");
        var recent = Written("new\nquestion");
        Assert.Equal("new question", store.Newest()!.Title);
        Assert.Equal(3, store.List().Count());
        Assert.Contains("line 1", store.List().Single(s => s.Problem is not null).Problem, StringComparison.Ordinal);

        using (var file = store.Open(Path.GetFileNameWithoutExtension(recent)))
        {
            store.Name(file, "work");
            using var copy = store.Copy(file);
            Assert.Equal(Texts(file.Tree), Texts(copy.Tree));
            Assert.Null(copy.Tree.Name);
            Assert.NotEqual(file.Id, copy.Id);
            Assert.Contains("is that of", Assert.Throws<ConversationException>(() => store.Name(copy, "work")).Message, StringComparison.Ordinal);
        }
        Assert.Equal(recent, store.Find("work"));
        Assert.Contains("more than one", Assert.Throws<ConversationException>(() => store.Find("2")).Message, StringComparison.Ordinal);
        Assert.Contains("there is no conversation", Assert.Throws<ConversationException>(() => store.Find("../x")).Message, StringComparison.Ordinal);
        Assert.Equal("work", store.Completions("wo", 10).Single().Text);
    }

    [Fact]
    public void ExportsComeBackAndMarkdownReads()
    {
        using var file = ConversationFile.Create(Conversations, Model, TimeProvider.System);
        file.Tree.Set("system", "Be brief.");
        Ask(file.Tree, "one");
        file.Tree.Regenerate(file.Tree.LastQuestion!, new ChatMessage("assistant", "uno") { Reasoning = "Spanish", ToolCalls = [new("c", "f", "{\"a\":\"```\"}")] }, new MessageInfo { Finish = FinishReason.Cancelled });
        var json = Path.Combine(folder, "out.json");
        ConversationExport.Write(file.Tree, json);
        Assert.Contains("already", Assert.Throws<ConversationException>(() => ConversationExport.Write(file.Tree, json)).Message, StringComparison.Ordinal);
        Assert.Contains(".md", Assert.Throws<ConversationException>(() => ConversationExport.Write(file.Tree, json + ".txt")).Message, StringComparison.Ordinal);

        using var imported = ConversationFile.Create(Conversations, null, TimeProvider.System);
        ConversationImport.Read(imported.Tree, json, TimeProvider.System);
        Assert.Equal(Texts(file.Tree), Texts(imported.Tree));
        Assert.Equal(3, imported.Tree.Messages.Count);
        using var read = ConversationFile.Peek(imported.Path);
        Assert.Equal(3, read.Tree.Messages.Count);

        var markdown = ConversationExport.Markdown(file.Tree);
        foreach (var part in new[] { "# one\n", "Model: `model.gguf`", "## System\n\nBe brief.", "## You\n\none\n", "## Assistant\n", "Spanish", "uno\n", "````json\n", "*(stopped)*" })
            Assert.Contains(part, markdown, StringComparison.Ordinal);
        Assert.DoesNotContain("ONE", markdown, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":{\"x\":1}}}]}]", "S|ab|")]
    [InlineData("\uFEFF{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "x")]
    public void MessagesOfOthersAreRead(string json, string expected)
    {
        var tree = new ConversationTree();
        ConversationImport.Read(tree, Encoding.UTF8.GetBytes(json), TimeProvider.System);
        Assert.Equal(expected, string.Join('|', Texts(tree)));
    }

    [Theory]
    [InlineData("[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"user\"}]", "item 2: 'content' is missing")]
    [InlineData("[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]", "only text is read")]
    [InlineData("[5]", "item 1: this is no message")]
    [InlineData("{}", "neither 'messages'")]
    [InlineData("5", "'messages' is no list")]
    [InlineData("[", "no JSON (line 1)")]
    [InlineData("{\"tree\":[{\"type\":\"head\",\"id\":5}],\"version\":1}", "item 1: there is no message number 5")]
    [InlineData("{\"tree\":[],\"version\":9}", "version 9")]
    public void OtherJsonIsRefused(string json, string expected)
    {
        var tree = new ConversationTree();
        Assert.Contains(expected, Assert.Throws<InvalidDataException>(() => ConversationImport.Read(tree, Encoding.UTF8.GetBytes(json), TimeProvider.System)).Message, StringComparison.Ordinal);
        Assert.Empty(tree.Messages);
    }

    [Fact]
    public void AModelIsKnownByWhatIsInIt()
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, "m.gguf");
        var bytes = new byte[5_000_000];
        new Random(1).NextBytes(bytes);
        File.WriteAllBytes(path, bytes);
        var first = ModelIdentity.Of(path);
        Assert.Equal(("m.gguf", 5_000_000L, 64), (first.Name, first.Size, first.Hash.Length));
        Assert.Equal(first, ModelIdentity.Of(path));
        foreach (var at in new[] { 0, 999_999, bytes.Length - 1, (1 << 20) + ((bytes.Length - (1 << 20)) / 16) - 1 })
        {
            bytes[at] ^= 1;
            File.WriteAllBytes(path, bytes);
            Assert.NotEqual(first, ModelIdentity.Of(path));
            bytes[at] ^= 1;
        }
        File.WriteAllBytes(path, bytes[..^1]);
        Assert.NotEqual(first.Hash, ModelIdentity.Of(path).Hash);
        File.WriteAllBytes(path, []);
        Assert.Equal(0, ModelIdentity.Of(path).Size);
        File.WriteAllBytes(Path.Combine(folder, "s-00001-of-00002.gguf"), bytes[..10]);
        File.WriteAllBytes(Path.Combine(folder, "s-00002-of-00002.gguf"), bytes[..20]);
        Assert.Equal(30, ModelIdentity.Of(Path.Combine(folder, "s-00001-of-00002.gguf")).Size);
        Assert.Equal(30, ModelIdentity.Of(folder).Size); // of its files, none is larger
    }

    private string Written(params string[] questions)
    {
        using var file = ConversationFile.Create(Conversations, Model, TimeProvider.System);
        foreach (var q in questions) Ask(file.Tree, q);
        Assert.Null(file.Problem);
        return file.Path;
    }

    private static string ReadShared(string path)
    {
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd();
    }
}
