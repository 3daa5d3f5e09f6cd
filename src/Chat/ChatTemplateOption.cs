using System.CommandLine;
using System.Text;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat;

/// <summary>The option --chat-template: a template of one's own instead of the model's.</summary>
internal sealed class ChatTemplateOption
{
    private readonly Option<string?> option = new Option<string?>("--chat-template")
    {
        Description = "Take the chat template (Jinja) from this file instead of the model's own.",
        HelpName = "FILE",
    }.NotEmpty("a path");

    public void AddTo(Command command) => command.Options.Add(option);

    /// <summary>Whether it was given.</summary>
    public bool IsGiven(ParseResult parsed) => parsed.GetValue(option) is not null;

    /// <summary>The template of the file, or null if none was given.</summary>
    /// <exception cref="TemplateException">The file is no template.</exception>
    public ChatTemplate? Read(ParseResult parsed) => parsed.GetValue(option) is { } path ? ReadFile(path) : null;

    /// <summary>A template of a file.</summary>
    /// <exception cref="TemplateException">The file is no template.</exception>
    public static ChatTemplate ReadFile(string path) => ChatTemplate.Parse(File.ReadAllText(path, Encoding.UTF8), path);
}
