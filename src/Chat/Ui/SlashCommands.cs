using System.Text;
using WarpDecode.Chat.Conversations;

namespace WarpDecode.Chat.Ui;

/// <summary>What follows a command, so that it can be completed.</summary>
internal enum ArgumentKind
{
    None,
    Text,
    File,
    Export,
    Conversation,
    Branch,
    Setting,
    Model,
    Command,
}

/// <summary>A command of the table.</summary>
/// <param name="Name">What is typed after the slash.</param>
/// <param name="Hint">What follows it, as help writes it: <c>[x]</c> may be left out.</param>
/// <param name="Help">What it does.</param>
/// <param name="Argument">What can be completed after it.</param>
/// <param name="Aliases">Other names for it.</param>
internal sealed record CommandInfo(string Name, string Hint, string Help, ArgumentKind Argument, params string[] Aliases)
{
    /// <summary>Whether it needs something after it.</summary>
    public bool NeedsArgument => Hint.Length > 0 && !Hint.StartsWith('[');
}

/// <summary>The commands that begin with a slash: their table, what was typed of them, and how it may go on.</summary>
internal sealed class SlashCommands
{
    private const int MostCandidates = 200;

    /// <summary>The table, in the order of help.</summary>
    public static readonly IReadOnlyList<CommandInfo> Table =
    [
        new("help", "[COMMAND]", "what can be typed", ArgumentKind.Command, "?", "h"),
        new("new", "", "begin a new conversation; this one stays saved", ArgumentKind.None),
        new("clear", "", "begin anew with an empty screen; what was said stays saved", ArgumentKind.None),
        new("regen", "", "answer the last question again", ArgumentKind.None, "retry", "regenerate"),
        new("edit", "[TEXT]", "change the last question; the old one stays as a branch", ArgumentKind.Text),
        new("undo", "", "go back to before the last question", ArgumentKind.None),
        new("branch", "[NAME]", "name a branch here, or go to the one of that name", ArgumentKind.Branch),
        new("branches", "", "list the branches", ArgumentKind.None),
        new("system", "[TEXT]", "show or set what every conversation begins with; \"\" takes it away", ArgumentKind.Text),
        new("set", "[NAME [VALUE]]", "show or change how tokens are chosen, from the next answer on", ArgumentKind.Setting),
        new("file", "PATH", "attach a text file to the message", ArgumentKind.File, "attach"),
        new("save", "[NAME]", "give the conversation a name to load it by", ArgumentKind.Text),
        new("load", "[NAME]", "go on with another conversation, by name, id or file; without one, list them", ArgumentKind.Conversation, "open"),
        new("export", "FILE", "write the conversation to FILE.md or FILE.json", ArgumentKind.Export),
        new("model", "[PATH]", "show the model, or load another", ArgumentKind.Model),
        new("info", "", "what the model is and where it lies", ArgumentKind.None),
        new("stats", "", "what answers take, shown or not", ArgumentKind.None),
        new("experts", "", "which experts the tokens go to, live", ArgumentKind.None),
        new("quit", "", "leave", ArgumentKind.None, "bye", "exit", "q"),
    ];

    private readonly PathCompletion paths = new();

    /// <summary>Names of branches, for completion.</summary>
    public Func<IEnumerable<string>> Branches { get; init; } = () => [];

    /// <summary>Conversations that begin with a text, with their titles, for completion.</summary>
    public Func<string, IEnumerable<(string Text, string Help)>> Conversations { get; init; } = _ => [];

    /// <summary>The value that a setting has now, for completion.</summary>
    public Func<Setting, string?> Value { get; init; } = _ => null;

    /// <summary>
    /// What a submitted text is: a command, or a message. A message that begins with a slash is typed with two; so is nothing else changed.
    /// </summary>
    /// <param name="text">What was submitted.</param>
    /// <param name="message">The message, if it is one.</param>
    /// <returns>The command; null for a message.</returns>
    /// <exception cref="CommandException">It begins with a slash and is no command.</exception>
    public static SlashCommand? Parse(string text, out string message)
    {
        message = text;
        if (!text.StartsWith('/')) return null;
        if (text.StartsWith("//", StringComparison.Ordinal))
        {
            message = text[1..];
            return null;
        }
        var end = 1;
        while (end < text.Length && !char.IsWhiteSpace(text[end])) end++;
        var typed = text[1..end];
        var argument = text[end..].Trim();
        var info = Find(typed);
        if (info is null)
        {
            var near = SlashWords.Nearest(typed, Table.SelectMany(c => c.Aliases.Prepend(c.Name)).Where(n => n.Length > 1));
            throw new CommandException(
                $"there is no command /{ConversationTree.OneLine(typed, 40)}",
                (near is null ? "/help lists them." : $"/{near} is the nearest; /help lists them.") + " // at the beginning makes it a message.");
        }
        if (info.NeedsArgument && argument.Length == 0) throw new CommandException($"/{info.Name} needs {info.Hint}", $"/{info.Name} {info.Hint}: {info.Help}.");
        if (info.Argument == ArgumentKind.None && argument.Length > 0)
            throw new CommandException($"/{info.Name} takes nothing after it, not '{ConversationTree.OneLine(argument, 40)}'", $"/{info.Name}: {info.Help}. // at the beginning makes it a message.");
        return new SlashCommand(info.Name, argument);
    }

    /// <summary>The command of a name or of another name for it; null if there is none.</summary>
    public static CommandInfo? Find(string name) =>
        Table.FirstOrDefault(c => c.Name.Equals(name, StringComparison.OrdinalIgnoreCase) || c.Aliases.Contains(name, StringComparer.OrdinalIgnoreCase));

    /// <summary>Help on all commands, or on one.</summary>
    /// <exception cref="CommandException">There is no command of that name.</exception>
    public static string Help(string name = "")
    {
        name = name.TrimStart('/');
        if (name.Length > 0)
        {
            var one = Find(name) ?? throw new CommandException($"there is no command /{ConversationTree.OneLine(name, 40)}", "/help lists them.");
            var more = one.Aliases.Length > 0 ? $" Also /{string.Join(", /", one.Aliases)}." : "";
            var settings = one.Argument == ArgumentKind.Setting ? "\n" + Settings.Help() : "";
            return $"/{one.Name} {one.Hint}".TrimEnd() + $": {one.Help}.{more}{settings}";
        }
        var width = Table.Max(c => Usage(c).Length);
        var text = new StringBuilder();
        foreach (var c in Table) text.Append(Usage(c).PadRight(width + 2)).Append(c.Help).Append('\n');
        return text.Append("// at the beginning sends a message that begins with a slash.").ToString();
    }

    /// <summary>How the text before the cursor may go on. Never throws: what cannot be read has no candidates.</summary>
    public IReadOnlyList<Completion> Complete(string before)
    {
        if (!before.StartsWith('/') || before.StartsWith("//", StringComparison.Ordinal) || before.Contains('\n', StringComparison.Ordinal)) return [];
        var space = before.IndexOf(' ', StringComparison.Ordinal);
        if (space < 0) return Commands(before[1..], 1);
        if (Find(before[1..space]) is not { } command) return [];
        var start = space + 1;
        while (start < before.Length && before[start] == ' ') start++;
        var typed = before[start..];
        return command.Argument switch
        {
            ArgumentKind.Command => Commands(typed.TrimStart('/'), before.Length - typed.TrimStart('/').Length),
            ArgumentKind.File => paths.Complete(typed, start, _ => true),
            ArgumentKind.Export => paths.Complete(typed, start, p => Path.GetExtension(p) is ".md" or ".json"),
            ArgumentKind.Model => paths.Complete(typed, start, p => Path.GetExtension(p) is ".gguf" or ".safetensors"),
            ArgumentKind.Conversation =>
                [
                    .. Conversations(typed).Select(c => new Completion(start, c.Text, c.Text, c.Help)).Take(MostCandidates),
                    .. typed.Length > 0 ? paths.Complete(typed, start, p => Path.GetExtension(p) is ".json" or ".jsonl") : [],
                ],
            ArgumentKind.Branch => [.. Branches().Where(b => b.StartsWith(typed, StringComparison.Ordinal)).Take(MostCandidates).Select(b => new Completion(start, b, b, ""))],
            ArgumentKind.Setting when !typed.Contains(' ', StringComparison.Ordinal) =>
                [.. Settings.Table.Where(s => s.Name.StartsWith(typed, StringComparison.OrdinalIgnoreCase)).Select(s => new Completion(start, s.Name + " ", s.Name, Describe(s), Continues: true))],
            _ => [],
        };

        static IReadOnlyList<Completion> Commands(string typed, int start) =>
            [.. Table.Where(c => c.Name.StartsWith(typed, StringComparison.OrdinalIgnoreCase)).Select(c => new Completion(start, c.Hint.Length > 0 ? c.Name + " " : c.Name, Usage(c), c.Help, Continues: c.NeedsArgument))];

        string Describe(Setting s) => Value(s) is { } value ? $"{value}; {s.Range}" : s.Range;
    }

    private static string Usage(CommandInfo c) => $"/{c.Name} {c.Hint}".TrimEnd();
}
