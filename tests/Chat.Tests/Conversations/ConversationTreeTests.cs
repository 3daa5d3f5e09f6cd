using CsCheck;
using WarpDecode.Chat.Conversations;
using WarpDecode.Runtime.Text;
using Xunit;

namespace WarpDecode.Chat.Tests.Conversations;

/// <summary>Branches, names and ways back in the tree of a conversation.</summary>
public class ConversationTreeTests
{
    private static readonly MessageInfo At = new() { Time = DateTimeOffset.UnixEpoch };

    [Fact]
    public void ALineOfMessages()
    {
        var tree = Talk("one", "two");
        Assert.Equal(["one", "ONE", "two", "TWO"], Texts(tree));
        Assert.Equal([1, 2, 3, 4], tree.Messages.Select(m => m.Id));
        Assert.Equal("one", tree.Title);
        tree.Set("system", "Be brief.");
        Assert.Equal(["Be brief.", "one", "ONE", "two", "TWO"], Texts(tree));
        Assert.Equal("system", tree.PathMessages()[0].Role);
        tree.Set("system", null);
        Assert.Equal(4, tree.PathMessages().Count);
    }

    [Fact]
    public void AnEditedQuestionIsABranchOfItsOwn()
    {
        var tree = Talk("one", "two");
        var question = tree.LastQuestion!;
        var edited = tree.Edit(question, "deux", At);
        Assert.Equal(["one", "ONE", "deux"], Texts(tree));
        tree.Append(new ChatMessage("assistant", "DEUX"), At);
        Assert.Equal([question, edited], tree.Siblings(edited));
        Assert.Equal(["#6", "#4"], tree.Branches().Select(b => b.Name));
        Assert.Equal([true, false], tree.Branches().Select(b => b.IsCurrent));
        Assert.Equal(4, tree.Branches()[0].Length);
        tree.Switch("#4");
        Assert.Equal(["one", "ONE", "two", "TWO"], Texts(tree));
        Assert.Throws<ArgumentException>(() => tree.Edit(tree.Head!, "no question", At));
    }

    [Fact]
    public void AnotherAnswerStandsBesideTheFirst()
    {
        var tree = Talk("one");
        var second = tree.Regenerate(tree.LastQuestion!, new ChatMessage("assistant", "uno"), At);
        Assert.Equal(["one", "uno"], Texts(tree));
        Assert.Equal(2, tree.Siblings(second).Count);
        Assert.Equal(["one", "ONE"], tree.PathMessages(tree.Siblings(second)[0]).Select(m => m.Content));
    }

    [Fact]
    public void TheFirstQuestionCanBeEditedToo()
    {
        var tree = Talk("one");
        tree.Edit(tree.LastQuestion!, "two", At);
        Assert.Equal(["two"], Texts(tree));
        Assert.Equal(2, tree.Roots.Count);
    }

    [Fact]
    public void UndoGoesBackToBeforeTheQuestion()
    {
        var tree = Talk("one", "two");
        Assert.Equal("two", tree.Undo()!.Message.Content);
        Assert.Equal(["one", "ONE"], Texts(tree));
        Assert.Contains(tree.Branches(), b => b.Name == "#4");
        Assert.Equal("one", tree.Undo()!.Message.Content);
        Assert.Null(tree.Head);
        Assert.Null(tree.Undo());
        Assert.Empty(Texts(tree));
    }

    [Fact]
    public void ANameGoesAlongUntilAnotherIsCurrent()
    {
        var tree = Talk("one");
        tree.Branch("main");
        Ask(tree, "two");
        tree.Branch("try"); // both are here now
        Ask(tree, "three");
        Assert.Equal("try", tree.CurrentBranch);
        Assert.Equal([("try", 6), ("main", 4)], tree.Branches().Select(b => (b.Name, b.Length)));
        tree.Switch("main");
        Assert.Equal(["one", "ONE", "two", "TWO"], Texts(tree));
        Ask(tree, "vier");
        Assert.Equal([("main", 6, true), ("try", 6, false)], tree.Branches().Select(b => (b.Name, b.Length, b.IsCurrent)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("#3")]
    [InlineData("two words")]
    [InlineData("line\nend")]
    [InlineData("taken")]
    public void BadNamesAreRefusedAndLeaveNothing(string name)
    {
        var tree = Talk("one");
        tree.Branch("taken");
        var records = tree.Records().Count();
        Assert.Throws<ConversationException>(() => tree.Branch(name));
        Assert.Equal(records, tree.Records().Count());
        Assert.Contains("/branches", Assert.Throws<ConversationException>(() => tree.Switch("absent")).Advice, StringComparison.Ordinal);
    }

    [Fact]
    public void ARefusedRecordChangesNothing()
    {
        var tree = Talk("one");
        tree.Recorder = _ => throw new IOException("full");
        Assert.Throws<IOException>(() => tree.Append(new ChatMessage("user", "two"), At));
        Assert.Equal(["one", "ONE"], Texts(tree));
        Assert.Throws<IOException>(() => tree.Undo());
        Assert.Equal(2, tree.Head!.Id);
    }

    [Fact]
    public void TitlesAreOneLineCutAndSafe()
    {
        Assert.Equal("a b c", ConversationTree.OneLine("  a\n b\t\tc  ", 60));
        Assert.Equal(new string('x', 60) + "…", ConversationTree.OneLine(new string('x', 61), 60));
        Assert.Equal("a \uFFFD[2J\uFFFD", ConversationTree.OneLine("a \u001b[2J\u202E", 60).Replace("a [", "a \uFFFD[", StringComparison.Ordinal));
        Assert.Equal("👩‍👩‍👧…", ConversationTree.OneLine("👩‍👩‍👧👩‍👩‍👧", 1));
    }

    /// <summary>Whatever is done, the records make the same tree again.</summary>
    [Fact]
    public void RecordsMakeTheTreeAgain() => Gen.Int[0, 6].List[0, 40].Sample(steps =>
    {
        var tree = new ConversationTree();
        var seen = new List<ConversationRecord>();
        tree.Recorder = seen.Add;
        var n = 0;
        foreach (var step in steps)
        {
            n++;
            switch (step)
            {
                case 0 or 1: Ask(tree, $"q{n}"); break;
                case 2 when tree.LastQuestion is { } q: tree.Edit(q, $"e{n}", At); break;
                case 3 when tree.LastQuestion is { } q: tree.Regenerate(q, new ChatMessage("assistant", $"r{n}"), At); break;
                case 4: tree.Undo(); break;
                case 5: tree.Branch($"b{n}"); break;
                case 6 when tree.Branches() is { Count: > 0 } lines: tree.Switch(lines[n % lines.Count].Name); break;
            }
        }
        var again = new ConversationTree();
        foreach (var record in tree.Records()) again.Apply(record);
        var replayed = new ConversationTree();
        foreach (var record in seen) replayed.Apply(record);
        foreach (var other in new[] { again, replayed })
        {
            Assert.Equal(Texts(tree), Texts(other));
            Assert.Equal(tree.CurrentBranch, other.CurrentBranch);
            Assert.Equal(tree.Branches().Select(b => (b.Name, b.Length, b.IsCurrent)), other.Branches().Select(b => (b.Name, b.Length, b.IsCurrent)));
        }
        // Every message is on some line.
        var reached = tree.Branches().SelectMany(b => ConversationTree.Path(b.Tip)).ToHashSet();
        Assert.Equal(tree.Messages.Count, reached.Count);
    }, iter: 300);

    [Fact]
    public void DeepTreesNeedNoStack()
    {
        var tree = new ConversationTree();
        for (var i = 0; i < 50_000; i++) tree.Append(new ChatMessage(i % 2 == 0 ? "user" : "assistant", "x"), At);
        Assert.Equal(50_000, tree.PathMessages().Count);
        Assert.Single(tree.Branches());
    }

    internal static ConversationTree Talk(params string[] questions)
    {
        var tree = new ConversationTree();
        foreach (var q in questions) Ask(tree, q);
        return tree;
    }

    internal static void Ask(ConversationTree tree, string question)
    {
        tree.Append(new ChatMessage("user", question), At);
        tree.Append(new ChatMessage("assistant", question.ToUpperInvariant()), At);
    }

    internal static IEnumerable<string> Texts(ConversationTree tree) => tree.PathMessages().Select(m => m.Content);
}
