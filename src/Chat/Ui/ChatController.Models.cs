using WarpDecode.Chat.Conversations;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Ui;

/// <content>Loading models.</content>
internal sealed partial class ChatController
{
    private bool everLoaded;

    private void Load(string path)
    {
        var (old, oldShelf, isFirst) = (model, shelf, !everLoaded);
        (model, shelf) = (null, null);
        display.HideExperts();
        activity = ChatActivity.Loading;
        LoadingName = Path.GetFileName(Path.TrimEndingDirectorySeparator(path));
        Loading = new LoadState(LoadStage.Map, 0, 0);
        work.Dispose();
        work = new CancellationTokenSource();
        var (cancellation, head, messages) = (work.Token, Tree.Head, Tree.PathMessages());
        var progress = new LoadReports(state => Loading = state);
        running = Task.Factory.StartNew(
            () =>
            {
                LoadedModel? loaded = null;
                SessionShelf? sessions = null;
                try
                {
                    oldShelf?.Dispose();
                    old?.Dispose(); // there may not be room for two
                    loaded = setup.Open(path, progress, cancellation);
                    sessions = new SessionShelf(loaded.Engine, setup.Sessions);
                    WarmUp(loaded, sessions, messages, head, progress, cancellation);
                    var (ready, kept) = (loaded, sessions);
                    display.Post(() => Loaded(ready, kept));
                }
                catch (Exception e)
                {
                    sessions?.Dispose();
                    loaded?.Dispose();
                    display.Post(() => NotLoaded(e, isFirst));
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    // The first token of a process compiles what makes tokens; and what was said before is read again, so that the next answer need not.
    private static void WarmUp(
        LoadedModel loaded, SessionShelf sessions, IReadOnlyList<ChatMessage> messages, MessageNode? head, IProgress<LoadState> progress, CancellationToken cancellation)
    {
        var (template, tokenizer) = (loaded.Engine.Template, loaded.Engine.Tokenizer); // fails here, before anybody types, if the model cannot be chatted with
        progress.Report(new LoadState(LoadStage.WarmUp, 0, 0));
        var isConversation = head is { Message.Role: "assistant" };
        var tokens = Array.Empty<int>();
        if (isConversation)
        {
            try
            {
                tokens = template.EncodeChat(tokenizer, messages, loaded.Style.Rendering with { AddGenerationPrompt = false });
            }
            catch (TemplateException)
            {
                isConversation = false; // another model's conversation, perhaps: the question will tell
            }
        }
        if (tokens.Length == 0 || tokens.Length >= loaded.Engine.ContextLength)
        {
            isConversation = false;
            tokens = tokenizer.Encode("Hi", addSpecial: true, parseSpecial: true);
        }
        if (tokens.Length == 0) return;
        var session = sessions.Take(tokens, null);
        var reading = new LoadReading(progress, isConversation ? "reading the conversation" : null);
        var answer = Generation.Start(session, tokenizer, tokens, new GenerationOptions { MaxTokens = 1, PromptProgress = reading }, cancellation);
        try
        {
            answer.Completion.GetAwaiter().GetResult();
        }
        finally
        {
            answer.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
        cancellation.ThrowIfCancellationRequested();
        if (isConversation) sessions.Keep(session, head);
        else sessions.Clear();
    }

    private void Loaded(LoadedModel loaded, SessionShelf sessions)
    {
        (model, shelf, Loading, everLoaded) = (loaded, sessions, null, true);
        activity = ChatActivity.Idle;
        if (Tree.Model is { } before && before != loaded.Identity && Tree.Messages.Count > 0)
            Notice($"{loaded.Identity.Name} goes on with a conversation that was held with {before.Name}.");
        Tree.SetModel(loaded.Identity);
        ApplySettings();
        if (loaded.Engine.Notes.Count > 0) display.Flash(string.Join("; ", loaded.Engine.Notes));
        if (Tree.Head is { Message.Role: "user" }) Notice("The last question has no answer yet: /regen answers it.");
        if (queued.TryDequeue(out var next)) Submit(next);
    }

    private void NotLoaded(Exception failure, bool isFirst)
    {
        (Loading, activity) = (null, ChatActivity.NoModel);
        if (failure is OperationCanceledException) return;
        if (isFirst)
        {
            Failed = failure;
            display.Leave();
            return;
        }
        var (what, toDo, _) = Failure.Words(failure);
        Error($"the model was not loaded: {what}", $"{toDo} /model PATH loads another.");
        while (queued.TryDequeue(out var text)) display.Restore(text);
    }

    /// <summary>The settings as the model's makers and the command line have them, with what this conversation changed.</summary>
    private void ApplySettings()
    {
        options = model?.Options ?? options;
        foreach (var (name, value) in Tree.Settings)
        {
            if (Settings.Table.All(s => s.Name != name)) continue;
            try
            {
                options = Settings.Change(options, name, SlashWords.Split(value) is [var one] ? one : value);
            }
            catch (CommandException e)
            {
                Error($"a setting of the conversation is left out: {e.Message}", e.Advice);
            }
        }
    }

    private sealed class LoadReports(Action<LoadState> to) : IProgress<LoadState>
    {
        public void Report(LoadState value) => to(value);
    }

    private sealed class LoadReading(IProgress<LoadState> to, string? doing) : IProgress<PromptProgress>
    {
        public void Report(PromptProgress value) => to.Report(new LoadState(LoadStage.WarmUp, value.Done, value.Total, doing));
    }
}
