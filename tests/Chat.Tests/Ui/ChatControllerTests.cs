using WarpDecode.Chat.Conversations;
using WarpDecode.Chat.Ui;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Text;
using Xunit;

namespace WarpDecode.Chat.Tests.Ui;

public sealed class ChatControllerTests
{
    [Fact]
    public void AConversationIsAnsweredShownAndSaved()
    {
        using var chat = new ChatHarness().Begin();
        chat.Say("Hello");
        Assert.Equal([EntryKind.User, EntryKind.Assistant], chat.Shown.Select(e => e.Kind));
        var answer = chat.Shown[1];
        Assert.True(answer.IsComplete);
        Assert.Equal(answer.Text, chat.Tree.Head!.Message.Content);
        Assert.Equal(FinishReason.EndOfTurn, chat.Tree.Head.Info.Finish);
        using var saved = ConversationFile.Peek(chat.Chat.Conversation.Path);
        Assert.Equal(["Hello", answer.Text], saved.Tree.PathMessages().Select(m => m.Content));

        chat.Say("What is two plus two?");
        Assert.True(chat.Last.CachedTokens > 10, $"{chat.Last}"); // what was said before is not read again
        Assert.Equal(chat.Chat.Status.Used, chat.Last.PromptTokens + chat.Last.Tokens);
    }

    [Fact]
    public void WhatIsTypedWhileTheModelLoadsIsSentThen()
    {
        using var chat = new ChatHarness();
        chat.Chat.Begin();
        chat.Chat.Submit("Hello");
        Assert.Empty(chat.Shown);
        chat.Await(() => chat.Tree.Head?.Message.Role == "assistant");
        Assert.Equal("Hello", chat.Shown[0].Text);
    }

    [Fact]
    public void AnAnswerIsMadeAgainOnABranchAndTheWayBackReadsNothing()
    {
        using var chat = new ChatHarness().Begin();
        chat.Say("Hello");
        var (first, old) = (chat.Last, chat.Tree.Head!);
        chat.Say("/set temp 1.2");
        chat.Say("/regen");
        Assert.Equal(2, chat.Tree.Siblings(old).Count);
        Assert.NotEqual(old, chat.Tree.Head);
        Assert.Equal(chat.Last.PromptTokens - 1, chat.Last.CachedTokens); // the last token's logits are computed again
        Assert.Equal(2, chat.Chat.Sessions);
        Assert.Equal("1.2", chat.Tree.Head!.Info.Settings["temp"]);

        chat.Say($"/branch #{old.Id}");
        Assert.Equal(old, chat.Tree.Head);
        Assert.Equal(old.Message.Content, chat.Shown[^1].Text);
        Assert.Contains("nothing of them", chat.Flashed, StringComparison.Ordinal);
        chat.Say("Thank you");
        Assert.Equal(old, chat.Tree.Head!.Parent!.Parent);
        Assert.True(chat.Last.CachedTokens >= first.PromptTokens + first.Tokens - 1, $"{first} {chat.Last}");
    }

    [Fact]
    public void ASessionOfAnotherBranchIsLeftAlone()
    {
        using var chat = new ChatHarness().Begin();
        chat.Say("Hello");
        chat.Say("/branch one");
        chat.Say("What is two plus two?");
        var (end, took) = (chat.Tree.Head!, chat.Last);
        chat.Say("/branch main");
        chat.Say("Tell me a story");
        Assert.True(chat.Last.CachedTokens >= took.CachedTokens, $"{took} {chat.Last}");
        chat.Say("/branch one");
        Assert.Equal(end, chat.Tree.Head);
        chat.Say("Good");
        Assert.True(chat.Last.CachedTokens >= took.PromptTokens + took.Tokens - 1, $"{took} {chat.Last}");
        chat.Say("/branches");
        Assert.Matches(@"\* one +6 messages  ready", chat.Shown[^1].Text);
        Assert.Matches(@"  main +4 messages  ready", chat.Shown[^1].Text);
    }

    [Fact]
    public void AQuestionIsChangedOnABranch()
    {
        using var chat = new ChatHarness().Begin();
        chat.Say("Hello");
        chat.Say("What is two plus two?");
        var old = chat.Tree.LastQuestion!;
        chat.Say("/edit");
        Assert.Equal("What is two plus two?", chat.Input);
        chat.Input = "";
        chat.Say("What is one plus one?");
        Assert.Equal([old, chat.Tree.LastQuestion!], chat.Tree.Siblings(old));
        Assert.Equal(["Hello", "What is one plus one?"], chat.Shown.Where(e => e.Kind == EntryKind.User).Select(e => e.Text));
        chat.Say("/edit Tell me a story");
        Assert.Equal(3, chat.Tree.Siblings(old).Count);

        chat.Say("/edit");
        Assert.True(chat.Chat.StopEditing());
        Assert.Equal("", chat.Input);
        chat.Say("Thank you");
        Assert.Equal(6, chat.Tree.Head!.Depth);
    }

    [Fact]
    public void UndoGoesBackAndTheEndStays()
    {
        using var chat = new ChatHarness().Begin();
        chat.Say("Hello");
        var first = chat.Tree.Head!;
        chat.Say("What is two plus two?");
        var end = chat.Tree.Head!;
        chat.Say("/undo");
        Assert.Equal(first, chat.Tree.Head);
        Assert.DoesNotContain("two plus", string.Concat(chat.Shown.Where(e => e.Kind == EntryKind.User).Select(e => e.Text)), StringComparison.Ordinal);
        Assert.Contains($"/branch #{end.Id}", chat.Text, StringComparison.Ordinal);
        chat.Say($"/branch #{end.Id}");
        Assert.Equal(end.Message.Content, chat.Shown.Last(e => e.Kind == EntryKind.Assistant).Text);
        chat.Say("/undo");
        chat.Say("/undo");
        Assert.Null(chat.Tree.Head);
        chat.Say("/undo");
        Assert.Contains("There is no question to go back to", chat.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void AnAnswerIsStoppedAndWhatWasSaidStays()
    {
        using var chat = Endless();
        chat.Chat.Submit("Hello");
        chat.Await(() => chat.Shown[^1].Text.Length > 20);
        Assert.True(chat.Chat.Stop());
        chat.AwaitAnswer();
        Assert.Equal(FinishReason.Cancelled, chat.Last.Finish);
        Assert.Equal("(stopped)", chat.Shown[^1].Text);
        Assert.True(chat.Tree.Head!.Message.Content.Length > 20);
        Assert.False(chat.Chat.Stop());
    }

    [Fact]
    public void WhileAnAnswerIsMadeTheConversationStays()
    {
        using var chat = Endless();
        chat.Chat.Submit("Hello");
        foreach (var command in new[] { "/regen", "/undo", "/new", "/clear", "/edit x", "/branch x", "/model x", "/load x" })
        {
            chat.Chat.Submit(command);
            Assert.Contains("An answer is being made", chat.Shown[^1].Text, StringComparison.Ordinal);
        }
        chat.Chat.Submit("another question");
        Assert.Equal("another question", chat.Input);
        chat.Chat.Submit("/set temp 0.5");
        Assert.Equal(0.5, chat.Chat.Options.Sampling.Temperature);
        chat.Await(() => chat.Shown[1].Text.Length > 0);
        chat.Chat.Stop();
        chat.AwaitAnswer();
        Assert.Equal(2, chat.Tree.Messages.Count);
        Assert.Equal(chat.Tree.Head!.Message.Content, chat.Shown[1].Text);
    }

    [Fact]
    public void AStopBeforeTheFirstWordGivesTheQuestionBack()
    {
        using var chat = new ChatHarness().Begin();
        chat.Say("Hello");
        var before = chat.Tree.Head;
        chat.Chat.Submit("Tell me a story");
        chat.Chat.Stop(); // it has hardly begun
        chat.AwaitAnswer();
        if (chat.Tree.Head != before)
        {
            Assert.Equal("(stopped)", chat.Shown[^1].Text); // a word was quicker
            return;
        }
        Assert.Equal("Tell me a story", chat.Input);
        Assert.Equal(2, chat.Shown.Count);
    }

    [Fact]
    public void AConversationGoesOnWithWhatItWas()
    {
        var folder = Directory.CreateTempSubdirectory("wd-chat-").FullName;
        try
        {
            string answer;
            using (var chat = new ChatHarness(folder: folder).Begin())
            {
                chat.Say("/system You are a pirate.");
                chat.Say("/set temp 0.3");
                chat.Say("Hello");
                answer = chat.Tree.Head!.Message.Content;
                // As a crash within an answer leaves it.
                chat.Tree.Append(new ChatMessage("user", "lost"), new MessageInfo());
                chat.Tree.Undo();
            }
            using (var again = new ChatHarness(folder: folder, continues: true).Begin())
            {
                Assert.Equal(["Hello", answer], again.Shown.Take(2).Select(e => e.Text));
                Assert.Equal("You are a pirate.", again.Tree.System);
                Assert.Equal(0.3, again.Chat.Options.Sampling.Temperature);
                again.Say("What is two plus two?");
                Assert.True(again.Last.CachedTokens > 20, $"{again.Last}"); // read while the model was loaded
                again.Tree.Append(new ChatMessage("user", "lost"), new MessageInfo());
            }
            using var third = new ChatHarness(folder: folder, continues: true).Begin();
            Assert.Contains("has no answer yet", third.Text, StringComparison.Ordinal);
            third.Say("Thank you");
            Assert.Equal(["user", "assistant", "user", "assistant", "user", "assistant"], ConversationTree.Path(third.Tree.Head).Select(n => n.Message.Role));
            Assert.DoesNotContain("lost", third.Text, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void NewConversationsKeepSettingsAndAreSavedAlone()
    {
        using var chat = new ChatHarness().Begin();
        chat.Say("/set top-k 7");
        chat.Say("Hello");
        var first = chat.Chat.Conversation.Id;
        chat.Say("/save first");
        chat.Say("/new");
        Assert.NotEqual(first, chat.Chat.Conversation.Id);
        Assert.Equal(7, chat.Chat.Options.Sampling.TopK);
        Assert.Contains(chat.Shown, e => e.Text == "Hello");
        chat.Say("What is two plus two?");
        chat.Say("/clear");
        Assert.Empty(chat.Shown);
        chat.Say("/load first");
        Assert.Equal(first, chat.Chat.Conversation.Id);
        Assert.Equal("Hello", chat.Shown[0].Text);
        chat.Say("/load first");
        Assert.Contains("That is this conversation", chat.Text, StringComparison.Ordinal);
        chat.Say("/load");
        Assert.Contains("[first] Hello", chat.Text, StringComparison.Ordinal);
        var export = Path.Combine(chat.Folder, "a.md");
        chat.Say($"/export {export}");
        Assert.Contains("## You\n\nHello", File.ReadAllText(export), StringComparison.Ordinal);
    }

    [Fact]
    public void AnotherModelGoesOnWithTheConversation()
    {
        using var chat = new ChatHarness().Begin();
        chat.Say("Hello");
        chat.Say("/model /nowhere/at/all.gguf");
        Assert.Contains("The model was not loaded: ", chat.Shown[^1].Text, StringComparison.Ordinal);
        Assert.Equal(ChatActivity.NoModel, chat.Chat.Status.Activity);
        chat.Say("What is two plus two?");
        Assert.Contains("There is no model", chat.Shown[^1].Text, StringComparison.Ordinal);
        chat.Say($"/model {WdRun.Model}");
        Assert.Contains("was held with", chat.Shown[^1].Text, StringComparison.Ordinal);
        chat.Say("What is two plus two?");
        Assert.Equal(4, chat.Tree.Head!.Depth);
        Assert.Equal(Path.GetFileName(WdRun.Model), chat.Tree.Head.Info.Model);
    }

    [Fact]
    public void AFirstModelThatCannotBeLoadedEndsTheChat()
    {
        using var chat = new ChatHarness();
        var setup = chat.Setup with { Model = "/nowhere/at/all.gguf" };
        using var failing = new ChatController(setup, chat.Store, chat.Store.Create(null), chat, TimeProvider.System);
        failing.Begin();
        chat.Await(() => failing.Loading is null);
        Assert.True(chat.HasLeft);
        Assert.True(Failure.Words(failing.Failed!).IsKnown);
    }

    [Fact]
    public void AFullContextStopsAndSaysSo()
    {
        using var chat = Endless(context: 64);
        chat.Say("Hello");
        Assert.Equal(FinishReason.ContextFull, chat.Last.Finish);
        Assert.Contains("the context of 64 tokens is full", chat.Shown[^1].Text, StringComparison.Ordinal);
        Assert.True(chat.Chat.Status.Share > 0.95);
        var before = chat.Tree.Head;
        chat.Say("More");
        Assert.Contains("/set context-full shift", chat.Shown[^1].Text, StringComparison.Ordinal);
        Assert.Equal(before, chat.Tree.Head);
        Assert.Equal("More", chat.Input);
    }

    [Fact]
    public void AFullContextShiftsWhereThatIsAskedFor()
    {
        using var chat = new ChatHarness(context: 128, options: new GenerationOptions { MaxTokens = 24, Sampling = new() { Temperature = 0, IgnoreEndOfTurn = true } }).Begin();
        chat.Say("/system You are a pirate.");
        chat.Say("/set context-full shift");
        for (var i = 0; i < 4; i++) chat.Say($"Question {i}");
        Assert.Contains("oldest messages are left out", chat.Text, StringComparison.Ordinal);
        Assert.Equal(8, chat.Tree.Head!.Depth); // all of it stays in the conversation
        Assert.Equal(FinishReason.MaxTokens, chat.Last.Finish);
        Assert.True(chat.Last.PromptTokens < 100, $"{chat.Last}");

        // Within an answer, too: it goes on, beyond what is left of the context.
        var notices = chat.Shown.Count(e => e.Text.Contains("left out", StringComparison.Ordinal));
        chat.Say("/set max-tokens 70");
        chat.Say("And now?");
        Assert.True(chat.Shown.Count(e => e.Text.Contains("left out", StringComparison.Ordinal)) > notices, chat.Text);
        Assert.Equal(70, chat.Last.Tokens);
        Assert.Equal(FinishReason.MaxTokens, chat.Last.Finish);
    }

    [Fact]
    public void SessionsOfBranchesGoWhenTheCacheIsFull()
    {
        // Room for one session: branches share it as long as there is room.
        using var chat = new ChatHarness(context: 512, engine: new EngineOptions { Backend = BackendKind.Cpu, Threads = 1, Sessions = 1 },
            options: new GenerationOptions { MaxTokens = 150, Sampling = new() { Temperature = 1, IgnoreEndOfTurn = true, Seed = 1 } }).Begin();
        chat.Say("Hello");
        for (var i = 0; i < 5; i++)
        {
            chat.Say("/regen");
            Assert.Equal(FinishReason.MaxTokens, chat.Last.Finish);
        }
        Assert.InRange(chat.Chat.Sessions, 1, 3);
        Assert.Equal(6, chat.Tree.Siblings(chat.Tree.Head!).Count);
    }

    [Fact]
    public void UnknownCommandsAndSettingsAreSaid()
    {
        using var chat = new ChatHarness().Begin();
        chat.Say("/stets");
        Assert.Contains("/stats is the nearest", chat.Shown[^1].Text, StringComparison.Ordinal);
        chat.Say("/set temp hot");
        Assert.Contains("temp takes a number from 0 to 100", chat.Shown[^1].Text, StringComparison.OrdinalIgnoreCase);
        chat.Say("/set context-full maybe");
        Assert.Contains("takes stop or shift", chat.Shown[^1].Text, StringComparison.Ordinal);
        Assert.Null(chat.Watched);
        chat.Say("/experts");
        Assert.NotNull(chat.Watched);
        chat.Say("/info");
        Assert.Contains("qwen3moe", chat.Shown[^1].Text, StringComparison.Ordinal);
        chat.Say("/help");
        Assert.Contains("/regen", chat.Shown[^1].Text, StringComparison.Ordinal);
        chat.Say("/quit");
        Assert.True(chat.HasLeft);
    }

    private static ChatHarness Endless(int context = 512) =>
        new ChatHarness(context, options: new GenerationOptions { Sampling = new() { Temperature = 0, IgnoreEndOfTurn = true } }).Begin();
}
