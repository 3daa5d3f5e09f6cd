using WarpDecode.Chat.Conversations;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Ui;

/// <summary>
/// A chat without its screen: the conversation, the model, and the answer that is being made. It is used from one thread, and never makes that
/// wait: models are loaded and answers made by others, which post what is to be done with them.
/// </summary>
internal sealed partial class ChatController : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private readonly ChatSetup setup;
    private readonly ConversationStore store;
    private readonly IChatDisplay display;
    private readonly TimeProvider time;
    private readonly List<MessageNode?> shown = []; // of each entry, the message that it shows
    private readonly Queue<string> queued = [];
    private ConversationFile conversation;
    private LoadedModel? model;
    private SessionShelf? shelf;
    private GenerationOptions options = new();
    private ChatActivity activity = ChatActivity.NoModel;
    private CancellationTokenSource work = new();
    private Task running = Task.CompletedTask;
    private AnswerProgress? progress;
    private GenerationResult? last;
    private MessageNode? editing; // the question that the next message takes the place of
    private MessageNode? firstKept; // where prompts begin, once older messages did not fit
    private int lineStart; // entries before are of conversations before
    private bool statistics;
    private string? toldProblem;

    /// <param name="setup">What is asked for.</param>
    /// <param name="store">The conversations.</param>
    /// <param name="conversation">The one to go on with, which this owns from now on.</param>
    /// <param name="display">Where it is shown.</param>
    /// <param name="time">The clock.</param>
    public ChatController(ChatSetup setup, ConversationStore store, ConversationFile conversation, IChatDisplay display, TimeProvider time)
    {
        (this.setup, this.store, this.conversation, this.display, this.time) = (setup, store, conversation, display, time);
        statistics = setup.IsVerbose;
        if (conversation.Tree.Messages.Count == 0 && setup.System is { } system) conversation.Tree.Set("system", system);
    }

    /// <summary>The conversation.</summary>
    public ConversationFile Conversation => conversation;

    /// <summary>Whether an answer is being made.</summary>
    public bool IsAnswering => activity is ChatActivity.Reading or ChatActivity.Answering;

    /// <summary>How far loading is; null when nothing is loaded.</summary>
    public LoadState? Loading { get; private set; }

    /// <summary>Name of the model that is loaded, or was last.</summary>
    public string LoadingName { get; private set; } = "";

    /// <summary>Why the first model could not be loaded: the chat ends with it.</summary>
    public Exception? Failed { get; private set; }

    /// <summary>The model that answers, once it is loaded.</summary>
    public LoadedModel? Model => model;

    /// <summary>Sessions that are kept for branches.</summary>
    public int Sessions => shelf?.Count ?? 0;

    /// <summary>What the last answer took.</summary>
    public GenerationResult? Last => last;

    /// <summary>How answers are made.</summary>
    public GenerationOptions Options => options;

    /// <summary>Whether a question is being changed.</summary>
    public bool IsEditing => editing is not null;

    private ConversationTree Tree => conversation.Tree;

    private bool Shifts => Tree.Settings.GetValueOrDefault(ContextFull) == "shift";

    /// <summary>What goes on, for the status line.</summary>
    public ChatStatus Status
    {
        get
        {
            var running = progress;
            var now = activity == ChatActivity.Reading && running?.FirstAfter is not null ? ChatActivity.Answering : activity;
            return new ChatStatus(now)
            {
                Model = model?.Identity.Name ?? "",
                Weights = model?.Weights ?? "",
                Backend = model?.Backend ?? "",
                Used = running?.Used ?? (Tree.Head?.Info is { PromptTokens: { } prompt, Tokens: { } tokens } ? prompt + tokens : 0),
                Context = model?.Engine.ContextLength ?? 0,
                Rate = running?.Rate ?? 0,
                LastRate = last?.TokensPerSecond ?? 0,
                FirstAfter = running is null ? last?.PromptTime : running.FirstAfter,
                DeviceBytes = model?.Engine.DeviceBytes,
                PromptRead = running?.Prompt is { Total: > 0 } p ? (double)p.Done / p.Total : null,
                Shifts = Shifts,
            };
        }
    }

    /// <summary>Shows the conversation and begins to load the model.</summary>
    public void Begin()
    {
        if (conversation.Repaired is { } repaired) Notice(repaired);
        ApplySettings();
        Sync();
        if (Tree.Head is not null) Notice($"\"{Tree.Title}\" goes on.");
        Load(setup.Model);
    }

    /// <summary>Takes what was typed: a message or a command.</summary>
    public void Submit(string text)
    {
        try
        {
            if (SlashCommands.Parse(text, out var message) is { } command) Obey(command);
            else Send(message);
        }
        catch (CommandException e)
        {
            Error(e.Message, e.Advice);
        }
        catch (Exception e) when (Failure.Words(e) is { IsKnown: true } words)
        {
            Error(words.What, words.ToDo);
        }
        CheckSaved();
    }

    /// <summary>Stops the answer that is being made.</summary>
    /// <returns>Whether there is one.</returns>
    public bool Stop()
    {
        if (!IsAnswering) return false;
        work.Cancel();
        return true;
    }

    /// <summary>Leaves the question that is being changed as it was.</summary>
    /// <returns>Whether one was being changed.</returns>
    public bool StopEditing()
    {
        if (editing is null) return false;
        editing = null;
        display.Write("");
        display.Flash("the question stays as it was");
        return true;
    }

    /// <summary>Ends what goes on, and closes conversation and model.</summary>
    public void Dispose()
    {
        work.Cancel();
        var isOver = false;
        try
        {
            isOver = running.Wait(Patience);
        }
        catch (AggregateException)
        {
            isOver = true; // whoever looks for it was told
        }
        conversation.Dispose();
        if (!isOver) return; // the process ends, and its memory with it
        shelf?.Dispose();
        model?.Dispose();
        work.Dispose();
    }

    private void Send(string text)
    {
        if (activity == ChatActivity.Loading)
        {
            queued.Enqueue(text);
            display.Flash("it is sent as soon as the model is loaded");
            return;
        }
        if (IsAnswering)
        {
            display.Restore(text);
            display.Flash("an answer is being made: Esc stops it");
            return;
        }
        if (model is null) throw new CommandException("there is no model", "/model PATH loads one.");
        var (before, branch) = (Tree.Head, Tree.CurrentBranch);
        var info = new MessageInfo { Time = time.GetUtcNow() };
        // A question without an answer, as a crash leaves one, stays as a branch: two questions in a row confuse models.
        var replaced = editing ?? (Tree.Head is { Message.Role: "user" } open ? open : null);
        editing = null;
        var question = replaced is null ? Tree.Append(new ChatMessage("user", text), info) : Tree.Edit(replaced, text, info);
        Answer(question, before, branch, text);
    }

    private void Answer(MessageNode question, MessageNode? before, string? branch, string? asked)
    {
        var (loaded, sessions) = (model!, shelf!);
        SyncTo(question);
        var entry = new TranscriptEntry(EntryKind.Assistant);
        Show(entry, null);
        work.Dispose();
        work = new CancellationTokenSource();
        activity = ChatActivity.Reading;
        var (now, cancellation, path, system, shifts, first) = (options, work.Token, ConversationTree.Path(question), Tree.System, Shifts, firstKept);
        var live = progress = new AnswerProgress();
        running = Task.Run(async () =>
        {
            Session? session = null;
            AnswerOutcome? outcome = null;
            Exception? failure = null;
            try
            {
                var reserve = Math.Min(now.MaxTokens ?? int.MaxValue, loaded.Engine.ContextLength / 4);
                var fit = PromptFit.Make(loaded, system, path, first, shifts, reserve);
                if (fit.LeftOut > 0 && fit.First != first) LeftOut(fit);
                session = sessions.Take(fit.Tokens, question.Parent);
                var run = new AnswerRun(loaded, fit, entry, live);
                outcome = await run.RunAsync(session, now, () => sessions.MakeRoom(session), Shorter, cancellation).ConfigureAwait(false);

                int[]? Shorter(string written)
                {
                    if (!shifts || cancellation.IsCancellationRequested) return null;
                    try
                    {
                        // At least a quarter of the context is to be won, else the answer would creep.
                        fit = PromptFit.Make(loaded, system, path, fit.First, canShift: true, loaded.Engine.ContextLength / 4, written);
                    }
                    catch (CommandException)
                    {
                        return null; // question and answer alone fill it
                    }
                    LeftOut(fit);
                    return fit.Tokens;
                }
            }
            catch (Exception e)
            {
                failure = e;
            }
            display.Post(() => Finish(question, entry, session, outcome, failure, before, branch, asked));
        });
    }

    private void LeftOut(PromptFit fit) => display.Post(() =>
    {
        firstKept = fit.First;
        Notice($"The context is full: from here on the {fit.LeftOut} oldest messages are left out. The system prompt stays; the conversation keeps all of them.");
    });

    private void Finish(
        MessageNode question, TranscriptEntry entry, Session? session, AnswerOutcome? outcome, Exception? failure, MessageNode? before, string? branch, string? asked)
    {
        entry.Complete();
        (activity, progress) = (ChatActivity.Idle, null);
        if (outcome is null || (outcome.Result.Finish == FinishReason.Cancelled && IsEmpty(outcome.Message)))
        {
            // Nothing was said: the conversation is as before.
            Tree.Do(new HeadMoved(before?.Id ?? 0, branch));
            Sync();
            if (asked is not null) display.Restore(asked);
            if (failure is null) display.Flash("stopped before it began");
            else Fail(failure);
        }
        else
        {
            last = outcome.Result;
            var node = Tree.Regenerate(question, outcome.Message, new MessageInfo
            {
                Time = time.GetUtcNow(),
                Model = model?.Identity.Name,
                Finish = last.Finish,
                PromptTokens = last.PromptTokens,
                Tokens = last.Tokens,
                Seed = last.Seed,
                Settings = Settings.Values(options),
            });
            if (session is not null) shelf?.Keep(session, node);
            if (shown.Count > 0) shown[EntryOf(entry)] = node;
            if (last.Finish == FinishReason.Cancelled) Notice("(stopped)");
            if (last.Finish == FinishReason.MaxTokens) Notice($"(cut at {last.Tokens} tokens: /set max-tokens)");
            if (last.Finish == FinishReason.ContextFull)
                Notice($"The answer was cut: the context of {model?.Engine.ContextLength} tokens is full. /set {ContextFull} shift leaves out the oldest messages then, /new begins anew.");
            if (statistics) Notice(Statistics.Line(last));
        }
        CheckSaved();
        if (queued.TryDequeue(out var next)) Submit(next);
    }

    // An answer that is over may have notices below it.
    private int EntryOf(TranscriptEntry entry) => entries.IndexOf(entry);

    private static bool IsEmpty(ChatMessage message) => message.ToolCalls.Count == 0 && message.Content.Length == 0 && string.IsNullOrEmpty(message.Reasoning);

    private void Fail(Exception failure)
    {
        if (failure is CommandException command)
        {
            Error(command.Message, command.Advice);
            return;
        }
        var (what, toDo, isKnown) = Failure.Words(failure);
        Error(what, isKnown ? toDo : "This looks like a fault of wd-run: please report it.");
    }

    private void CheckSaved()
    {
        if (conversation.Problem == toldProblem) return;
        toldProblem = conversation.Problem;
        if (toldProblem is not null) Error(toldProblem, "It is tried again with the next message.");
    }
}
