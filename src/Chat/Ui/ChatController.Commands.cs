using System.Globalization;
using System.Text;
using WarpDecode.Chat.Conversations;
using WarpDecode.Runtime;

namespace WarpDecode.Chat.Ui;

/// <content>The commands that begin with a slash.</content>
internal sealed partial class ChatController
{
    private const string ContextFull = "context-full";

    private void Obey(SlashCommand command)
    {
        switch (command.Name)
        {
            case "help":
                Notice(SlashCommands.Help(command.Argument) + (command.Argument.Length == 0 ? "\n" + Keys : ""));
                break;
            case "new":
                BeginAnew(isCleared: false);
                break;
            case "clear":
                BeginAnew(isCleared: true);
                break;
            case "regen":
                Regenerate();
                break;
            case "edit":
                Edit(command.Argument);
                break;
            case "undo":
                Undo();
                break;
            case "branch" when command.Argument.Length > 0:
                Branch(command.Path);
                break;
            case "branch" or "branches":
                Notice(Branches());
                break;
            case "system":
                System(command.Argument);
                break;
            case "set":
                Set(command.Argument);
                break;
            case "save":
                Notice(command.Argument.Length > 0
                    ? Capital(store.Save(conversation, command.Path)) + "."
                    : $"All is saved as it is said, in {conversation.Path}. /save NAME gives it a name.");
                break;
            case "load":
                Open(command);
                break;
            case "export":
                ConversationExport.Write(Tree, command.Path);
                Notice($"Written to {ConversationTree.OneLine(command.Path, 200)}.");
                break;
            case "model" when command.Argument.Length > 0:
                Refuse();
                Load(DataFolder.Expand(command.Path));
                break;
            case "model":
                Notice(model is null ? "There is no model." : $"{model.Path}, {model.Weights} on {model.Engine.Backend}.");
                break;
            case "info":
                Notice(Info());
                break;
            case "stats":
                statistics = !statistics;
                Notice(statistics ? "What answers take is shown." + (last is null ? "" : "\n" + Statistics.Line(last)) : "What answers take is not shown.");
                break;
            case "experts":
                display.ShowExperts(model?.Engine ?? throw new CommandException("there is no model yet", "Wait until it is loaded."));
                break;
            case "quit":
                display.Leave();
                break;
            default:
                throw new CommandException($"/{command.Name} cannot be done here", "Type it alone, at the beginning of a message.");
        }
    }

    private const string Keys =
        """
        Enter sends, Alt-Enter or \ at the end of a line begins another. Up and Down: what was typed before. PgUp, PgDn and the wheel scroll.
        Alt-Up and Alt-Down choose a message or code block, Ctrl-Y copies it (or the last), Ctrl-O opens what was thought.
        Esc or Ctrl-C stops an answer, Ctrl-C twice leaves, Ctrl-D on an empty line too.
        """;

    /// <summary>While an answer is being made or a model loaded the conversation stays where it is.</summary>
    private void Refuse()
    {
        if (IsAnswering) throw new CommandException("an answer is being made", "Esc stops it.");
        if (activity == ChatActivity.Loading) throw new CommandException("the model is being loaded", "Wait until it is there.");
    }

    private void BeginAnew(bool isCleared)
    {
        Refuse();
        var settings = Tree.Settings.ToList();
        Adopt(store.Create(model?.Identity));
        foreach (var (name, value) in settings) Tree.Set(name, value);
        ApplySettings();
        if (isCleared) Clear();
        else Notice("A new conversation. The one before stays saved: /load lists them.");
        lineStart = entries.Count;
    }

    private void Clear()
    {
        lineStart = 0;
        Truncate(0);
    }

    private void Adopt(ConversationFile other)
    {
        conversation.Dispose();
        (conversation, editing, firstKept, toldProblem) = (other, null, null, null);
    }

    private void Regenerate()
    {
        Refuse();
        if (Tree.LastQuestion is not { } question) throw new CommandException("there is no question yet", "Type one.");
        if (model is null) throw new CommandException("there is no model", "/model PATH loads one.");
        editing = null;
        Answer(question, Tree.Head, Tree.CurrentBranch, null);
    }

    private void Edit(string text)
    {
        Refuse();
        if (Tree.LastQuestion is not { } question) throw new CommandException("there is no question yet", "Type one.");
        editing = question;
        if (text.Length > 0)
        {
            Send(text);
            return;
        }
        display.Write(question.Message.Content);
        display.Flash("change the question and send it; Esc leaves it as it is");
    }

    private void Undo()
    {
        Refuse();
        editing = null;
        var end = Tree.Head;
        if (Tree.Undo() is not { } question) throw new CommandException("there is no question to go back to", "Type one.");
        Sync();
        Notice($"Back before \"{ConversationTree.OneLine(question.Message.Content, 60)}\". /branch #{end!.Id} goes there again.");
    }

    private void Branch(string name)
    {
        Refuse();
        editing = null;
        if (Tree.HasBranch(name) || name.StartsWith('#'))
        {
            Tree.Switch(name);
            Sync();
            if (firstKept is not null && !ConversationTree.Path(Tree.Head).Contains(firstKept)) firstKept = null;
            if (Tree.Head is { Message.Role: "user" }) Notice("This question has no answer here: /regen answers it.");
            display.Flash($"on branch {name}: {Tree.Head?.Depth ?? 0} messages{(shelf?.Has(Tree.Head) == true ? ", nothing of them has to be read again" : "")}");
            return;
        }
        // What has no name gets one, so that there is a way back by name.
        if (Tree.CurrentBranch is null && !Tree.HasBranch("main") && name != "main") Tree.Branch("main");
        Tree.Branch(name);
        Notice($"Branch {name} begins here.");
    }

    private string Branches()
    {
        var lines = Tree.Branches();
        if (lines.Count == 0) return "There is nothing yet to branch from.";
        var text = new StringBuilder();
        var width = lines.Max(l => l.Name.Length);
        foreach (var line in lines)
        {
            text.Append(text.Length > 0 ? "\n" : "").Append(line.IsCurrent ? "* " : "  ").Append(line.Name.PadRight(width))
                .Append(CultureInfo.InvariantCulture, $"  {line.Length,3} messages  ").Append(shelf?.Has(line.Tip) == true ? "ready  " : "       ")
                .Append(line.Tip is null ? "" : ConversationTree.OneLine(line.Tip.Message.Content, 50));
        }
        return text.Append("\n/branch NAME goes there; ready ones are in the cache.").ToString();
    }

    private void System(string text)
    {
        if (text.Length == 0)
        {
            Notice(Tree.System is { } now ? $"The conversation begins with: {now}" : "The conversation begins with nothing. /system TEXT sets it.");
            return;
        }
        Refuse();
        var value = text is "\"\"" or "''" ? null : text;
        Tree.Set("system", value);
        Notice(value is null ? "The conversation begins with nothing from now on." : $"The conversation begins with this from now on: {value}");
    }

    private void Set(string argument)
    {
        var words = SlashWords.Split(argument.Replace('=', ' '));
        if (words is [ContextFull, ..])
        {
            if (words is not ([_] or [_, "stop" or "shift"])) throw new CommandException($"{ContextFull} takes stop or shift", $"It is {(Shifts ? "shift" : "stop")} now.");
            if (words is [_, var what]) Tree.Set(ContextFull, what == "shift" ? what : null);
            Notice(Shifts
                ? $"{ContextFull} is shift: when the context is full the oldest messages are left out, and that is said; the system prompt stays."
                : $"{ContextFull} is stop: when the context is full the answer ends, and that is said.");
            return;
        }
        var before = Settings.Values(options);
        (options, var said) = Settings.Apply(options, argument);
        foreach (var (name, value) in Settings.Values(options).Where(s => before[s.Key] != s.Value)) Tree.Set(name, value);
        Notice(argument.Length == 0 ? $"{said}\n{ContextFull}    {(Shifts ? "shift" : "stop "),-10} what happens when the context is full: stop, or shift" : said);
    }

    private void Open(SlashCommand command)
    {
        if (command.Argument.Length == 0)
        {
            Notice(List());
            return;
        }
        Refuse();
        var what = command.Path;
        if (what == conversation.Id || what == Tree.Name) throw new CommandException("that is this conversation", "/load lists the others.");
        Adopt(store.Load(what));
        if (model is not null) Tree.SetModel(model.Identity);
        ApplySettings();
        Clear();
        Sync();
        if (conversation.Repaired is { } repaired) Notice(repaired);
        display.Flash($"{Tree.Title}: {Tree.Head?.Depth ?? 0} messages");
    }

    private string List()
    {
        var all = store.List().Take(20).ToList();
        if (all.Count == 0) return "There are no conversations yet.";
        var text = new StringBuilder();
        foreach (var c in all)
        {
            text.Append(c.Id == conversation.Id ? "* " : "  ").Append(c.Id).Append("  ").Append(c.Name is null ? "" : $"[{c.Name}] ").Append(c.Title)
                .Append(c.Problem is null ? $"  ({c.Messages} messages)" : $"  ({ConversationTree.OneLine(c.Problem, 60)})").Append('\n');
        }
        return text.Append("/load NAME goes on with one, by its name or the beginning of its id.").ToString();
    }

    private string Info()
    {
        var text = new StringBuilder();
        if (model is null)
        {
            text.Append("There is no model.");
        }
        else
        {
            var summary = ModelSummary.Of(model.Engine.File);
            Line("model", $"{model.Path} ({summary.Format})");
            Line("name", summary.Name ?? "none");
            Line("architecture", $"{summary.Architecture}, {summary.Layers} layers, {summary.Experts} experts a layer, {summary.TopK} used per token");
            foreach (var type in summary.WeightTypes) Line("weights", $"{type.Type}: {type.Tensors} tensors, {Attachment.InWords(type.Bytes)}");
            Line("runs on", model.Engine.Backend);
            if (model.Engine.DeviceBytes is { } bytes) Line("device", $"{Attachment.InWords(bytes)} of its memory");
            Line("context", $"{model.Engine.ContextLength} tokens; room for {model.Engine.FreeTokens} more in the cache, {Sessions} sessions are kept");
            Line("answers", model.Style.Format.Description);
            foreach (var note in model.Engine.Notes) Line("note", note);
        }
        Line("conversation", conversation.Path);
        return text.ToString();

        void Line(string name, string value) => text.Append(text.Length > 0 ? "\n" : "").Append(name.PadRight(14)).Append(value);
    }
}
