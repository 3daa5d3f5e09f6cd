using System.Globalization;
using System.Text;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Conversations;

/// <summary>
/// A conversation with everything that was ever said in it: messages are nodes, and where a question was asked again or an answer
/// made again there are branches. Nothing is taken away: where the conversation leaves an end, that end stays listed.
/// Every change is a record, so that a file of records is the conversation.
/// </summary>
internal sealed class ConversationTree
{
    /// <summary>Most messages of one conversation.</summary>
    public const int MaxMessages = 1_000_000;

    private const int MaxNames = 10_000;
    private const int TitleLength = 60;
    private readonly List<MessageNode> nodes = [];
    private readonly List<MessageNode> roots = [];
    private readonly Dictionary<string, MessageNode?> branches = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> settings = new(StringComparer.Ordinal);
    private string? title;

    /// <summary>Is given every record before it is applied; a throw leaves the tree as it was.</summary>
    public Action<ConversationRecord>? Recorder { get; set; }

    /// <summary>The last message of the current line; null at the beginning.</summary>
    public MessageNode? Head { get; private set; }

    /// <summary>Name of the current branch, if it has one. It goes where the head goes, until another becomes current.</summary>
    public string? CurrentBranch { get; private set; }

    /// <summary>All messages of all branches, in the order they came.</summary>
    public IReadOnlyList<MessageNode> Messages => nodes;

    /// <summary>The first messages, one for each branch.</summary>
    public IReadOnlyList<MessageNode> Roots => roots;

    /// <summary>Settings that were changed, <c>system</c> among them.</summary>
    public IReadOnlyDictionary<string, string> Settings => settings;

    /// <summary>What every line begins with, if anything.</summary>
    public string? System => settings.GetValueOrDefault("system");

    /// <summary>The model that answers, if that is known.</summary>
    public ModelIdentity? Model { get; private set; }

    /// <summary>The name under which the conversation was saved, if it was.</summary>
    public string? Name { get; private set; }

    /// <summary>The title that was set, or else the beginning of the first question.</summary>
    public string Title => title ?? (nodes.Find(n => n.Message.Role == "user") is { } first ? OneLine(first.Message.Content, TitleLength) : "(empty)");

    /// <summary>The question that the head is, or is an answer to; null if there is none.</summary>
    public MessageNode? LastQuestion
    {
        get
        {
            var node = Head;
            while (node is not null && node.Message.Role != "user") node = node.Parent;
            return node;
        }
    }

    /// <summary>The messages from the beginning to the head, as a template takes them: the system's first.</summary>
    public IReadOnlyList<ChatMessage> PathMessages() => PathMessages(Head);

    /// <summary>The messages from the beginning to <paramref name="end"/>, as a template takes them: the system's first.</summary>
    public IReadOnlyList<ChatMessage> PathMessages(MessageNode? end)
    {
        var messages = new List<ChatMessage>((end?.Depth ?? 0) + 1);
        if (System is { } system) messages.Add(new ChatMessage("system", system));
        messages.AddRange(Path(end).Select(n => n.Message));
        return messages;
    }

    /// <summary>The nodes from the beginning to <paramref name="end"/>.</summary>
    public static IReadOnlyList<MessageNode> Path(MessageNode? end)
    {
        var path = new MessageNode[end?.Depth ?? 0];
        for (var node = end; node is not null; node = node.Parent) path[node.Depth - 1] = node;
        return path;
    }

    /// <summary>The message of a number, if there is one.</summary>
    public MessageNode? Find(int id) => id >= 1 && id <= nodes.Count ? nodes[id - 1] : null;

    /// <summary>This message and those in its place on other branches, oldest first.</summary>
    public IReadOnlyList<MessageNode> Siblings(MessageNode node) => node.Parent?.Children ?? roots;

    /// <summary>Adds a message after the head.</summary>
    public MessageNode Append(ChatMessage message, MessageInfo info) => Add(message, info, Head);

    /// <summary>Adds a question in place of <paramref name="question"/>, on a branch of its own.</summary>
    public MessageNode Edit(MessageNode question, string text, MessageInfo info)
    {
        if (question.Message.Role != "user") throw new ArgumentException("only a question can be edited", nameof(question));
        return Add(question.Message with { Content = text }, info, question.Parent);
    }

    /// <summary>Adds another answer to <paramref name="question"/>, on a branch of its own if there was one already.</summary>
    public MessageNode Regenerate(MessageNode question, ChatMessage answer, MessageInfo info)
    {
        if (question.Message.Role != "user") throw new ArgumentException("only a question is answered again", nameof(question));
        return Add(answer, info, question);
    }

    /// <summary>Goes back to before the last question; null if there is none, else that question.</summary>
    public MessageNode? Undo()
    {
        if (LastQuestion is not { } question) return null;
        Do(new HeadMoved(question.Parent?.Id ?? 0, CurrentBranch));
        return question;
    }

    /// <summary>Gives the line from here on a name.</summary>
    /// <exception cref="ConversationException">The name is taken, or no name.</exception>
    public void Branch(string name)
    {
        if (BadName(name) is { } why) throw new ConversationException($"'{OneLine(name, TitleLength)}' is no name for a branch: {why}", "Give it another name.");
        if (branches.ContainsKey(name)) throw new ConversationException($"there is a branch '{name}' already", $"/branch {name} goes there, or give this one another name.");
        if (branches.Count >= MaxNames) throw new ConversationException($"the conversation has {MaxNames} named branches", "Begin a new one with /new.");
        Do(new HeadMoved(Head?.Id ?? 0, name));
    }

    /// <summary>Goes to the end of a branch, by its name or as <c>#NUMBER</c> to any message.</summary>
    /// <exception cref="ConversationException">There is none.</exception>
    public void Switch(string name)
    {
        if (branches.TryGetValue(name, out var tip)) Do(new HeadMoved(tip?.Id ?? 0, name));
        else if (name.StartsWith('#') && int.TryParse(name.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out var id) && Find(id) is { } node) SwitchTo(node);
        else throw new ConversationException($"there is no branch '{OneLine(name, TitleLength)}'", "/branches lists them.");
    }

    /// <summary>Goes to a message. The current branch stays where it was.</summary>
    public void SwitchTo(MessageNode node) => Do(new HeadMoved(node.Id, branches.FirstOrDefault(b => b.Value == node).Key));

    /// <summary>Whether a branch has this name.</summary>
    public bool HasBranch(string name) => branches.ContainsKey(name);

    /// <summary>Every line: those with names, every end, and where the conversation stands; the newest first.</summary>
    public IReadOnlyList<BranchLine> Branches()
    {
        var lines = branches.Select(b => new BranchLine(b.Key, b.Value, b.Key == CurrentBranch)).ToList();
        var named = branches.Values.OfType<MessageNode>().ToHashSet();
        lines.AddRange(nodes
            .Where(n => (n.Children.Count == 0 && !named.Contains(n)) || (n == Head && CurrentBranch is null))
            .Select(n => new BranchLine($"#{n.Id}", n, n == Head && CurrentBranch is null)));
        return [.. lines.OrderByDescending(l => l.Tip?.Id ?? 0).ThenBy(l => l.Name, StringComparer.Ordinal)];
    }

    public void SetTitle(string text) => Do(new TitleChanged(OneLine(text, 200)));

    /// <summary>Sets the name under which the conversation is found; the store looks whether it is free.</summary>
    public void SetName(string text) => Do(new NameChanged(text));

    /// <summary>Changes a setting; null puts it back. Nothing is recorded where nothing changes.</summary>
    public void Set(string name, string? value)
    {
        if (settings.GetValueOrDefault(name) != value) Do(new SettingChanged(name, value));
    }

    /// <summary>Says which model answers from here on. Nothing is recorded where nothing changes.</summary>
    public void SetModel(ModelIdentity model)
    {
        if (Model != model) Do(new ModelChanged(model));
    }

    /// <summary>Why a text is no name, or null if it is one.</summary>
    public static string? BadName(string name)
    {
        if (name.Length is 0 or > 64) return "a name has 1 to 64 characters";
        if (name.StartsWith('#')) return "# is for numbers of messages";
        return name.Any(c => char.IsControl(c) || char.IsWhiteSpace(c) || char.IsSurrogate(c)) ? "a name has no spaces and no characters that cannot be seen" : null;
    }

    /// <summary>The records that make this tree again.</summary>
    public IEnumerable<ConversationRecord> Records()
    {
        if (Model is not null) yield return new ModelChanged(Model);
        if (title is not null) yield return new TitleChanged(title);
        foreach (var (name, value) in settings) yield return new SettingChanged(name, value);
        foreach (var n in nodes) yield return new MessageAdded(n.Id, n.Parent?.Id ?? 0, n.Message, n.Info);
        foreach (var (name, tip) in branches) yield return new HeadMoved(tip?.Id ?? 0, name);
        yield return new HeadMoved(Head?.Id ?? 0, CurrentBranch);
    }

    /// <summary>Records and does what a record says.</summary>
    /// <exception cref="InvalidDataException">It cannot be in this place.</exception>
    public void Do(ConversationRecord record)
    {
        Recorder?.Invoke(record);
        Apply(record);
    }

    /// <summary>Does what a record says, without recording it.</summary>
    /// <exception cref="InvalidDataException">It cannot be in this place.</exception>
    public void Apply(ConversationRecord record)
    {
        switch (record)
        {
            case MessageAdded m:
                if (nodes.Count >= MaxMessages) throw new InvalidDataException($"a conversation has at most {MaxMessages} messages");
                if (m.Id != nodes.Count + 1) throw new InvalidDataException($"the next message is number {nodes.Count + 1}, not {m.Id}");
                var node = new MessageNode(m.Id, Existing(m.Parent), m.Message, m.Info);
                if (node.Parent is null) roots.Add(node);
                nodes.Add(node);
                MoveTo(node, CurrentBranch);
                break;
            case HeadMoved h:
                if (h.Branch is not null && BadName(h.Branch) is { } why) throw new InvalidDataException("the branch has no proper name: " + why);
                if (h.Branch is not null && !branches.ContainsKey(h.Branch) && branches.Count >= MaxNames) throw new InvalidDataException($"a conversation has at most {MaxNames} named branches");
                MoveTo(Existing(h.Id), h.Branch);
                break;
            case TitleChanged t:
                title = t.Text;
                break;
            case NameChanged n:
                Name = n.Text;
                break;
            case SettingChanged { Value: null } s:
                settings.Remove(s.Name);
                break;
            case SettingChanged s:
                if (settings.Count >= MaxNames) throw new InvalidDataException($"a conversation has at most {MaxNames} settings");
                settings[s.Name] = s.Value;
                break;
            case ModelChanged m:
                Model = m.Model;
                break;
            default:
                throw new InvalidDataException($"unknown record {record.GetType().Name}");
        }
    }

    /// <summary>A text as one line without control characters, cut to so many characters as people count them.</summary>
    internal static string OneLine(string text, int longest)
    {
        var line = new StringBuilder();
        var graphemes = StringInfo.GetTextElementEnumerator(text.Length > longest * 40 ? text[..(longest * 40)] : text);
        var count = 0;
        var gap = false;
        while (graphemes.MoveNext())
        {
            var g = graphemes.GetTextElement();
            if (char.IsWhiteSpace(g[0]) || char.IsControl(g[0]))
            {
                gap = count > 0;
                continue;
            }
            if (count + (gap ? 1 : 0) >= longest) return line.Append('…').ToString();
            if (gap) line.Append(' ');
            count += gap ? 2 : 1;
            gap = false;
            foreach (var rune in g.EnumerateRunes()) line.Append(Safe(rune) ? rune.ToString() : "\uFFFD");
        }
        return line.ToString();
    }

    // Joiners and variation selectors make emoji what they are; marks that turn the direction of writing could fake a title.
    private static bool Safe(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => false,
        UnicodeCategory.Format => rune.Value is 0x200C or 0x200D or (>= 0xE0020 and <= 0xE007F),
        _ => true,
    };

    private MessageNode Add(ChatMessage message, MessageInfo info, MessageNode? parent)
    {
        Do(new MessageAdded(nodes.Count + 1, parent?.Id ?? 0, message, info));
        return nodes[^1];
    }

    private void MoveTo(MessageNode? node, string? branch)
    {
        (Head, CurrentBranch) = (node, branch);
        if (branch is not null) branches[branch] = node;
    }

    private MessageNode? Existing(int id) => id == 0 ? null : Find(id) ?? throw new InvalidDataException($"there is no message number {id} yet");
}
