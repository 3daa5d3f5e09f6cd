namespace WarpDecode.Chat.Ui;

/// <summary>A command that a person typed.</summary>
/// <param name="Name">Its name without the slash: always one of the table's, whatever other name was typed.</param>
/// <param name="Argument">What follows it, without the spaces around it; empty if there is nothing.</param>
internal sealed record SlashCommand(string Name, string Argument)
{
    /// <summary>The argument as words; quotes keep spaces together.</summary>
    /// <exception cref="CommandException">A quote has no end.</exception>
    public IReadOnlyList<string> Words => SlashWords.Split(Argument);

    /// <summary>The argument as one path or name: spaces may be as they are, in quotes, or behind backslashes as terminals drop files.</summary>
    /// <exception cref="CommandException">A quote has no end.</exception>
    public string Path => SlashWords.Split(Argument) is [var one] ? one : Argument;
}

/// <summary>A command that cannot be done as it was typed.</summary>
/// <param name="message">What is wrong.</param>
/// <param name="advice">What to type.</param>
internal sealed class CommandException(string message, string advice) : Exception(message)
{
    public string Advice { get; } = advice;
}

/// <summary>What can be typed at a place, for a list to choose from.</summary>
/// <param name="Start">Where in the text what it takes the place of begins.</param>
/// <param name="Text">What is put there.</param>
/// <param name="Shown">What the list shows.</param>
/// <param name="Help">What it is, in a few words.</param>
/// <param name="Continues">Whether more is to be typed right after it: a folder's name, say.</param>
internal sealed record Completion(int Start, string Text, string Shown, string Help, bool Continues = false);
