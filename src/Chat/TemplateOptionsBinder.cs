using System.CommandLine;
using System.Text;
using System.Text.Json;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat;

/// <summary>The options that say how a conversation becomes text: a template of one's own, variables for it, and tools.</summary>
internal sealed class TemplateOptionsBinder
{
    private readonly Option<string?> template = new Option<string?>("--chat-template")
    {
        Description = "Take the chat template (Jinja) from this file instead of the model's own.",
        HelpName = "FILE",
    }.NotEmpty("a path");

    private readonly Option<string?> variables = new Option<string?>("--chat-template-kwargs")
    {
        Description = "Variables for the chat template, a JSON object, for example {\"enable_thinking\": false}.",
        HelpName = "JSON",
    }.NotEmpty("a JSON object");

    private readonly Option<string?> tools = new Option<string?>("--tools")
    {
        Description = "Tools that the model may call: a JSON array as OpenAI's interface has it. A call is printed as a line of JSON; nothing is run.",
        HelpName = "FILE",
    }.NotEmpty("a path");

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { template, variables, tools }) command.Options.Add(option);
    }

    /// <summary>The first of the options that was given, or null if none was.</summary>
    public string? Given(ParseResult parsed) => new[] { template, variables, tools }.FirstOrDefault(o => parsed.GetValue(o) is not null)?.Name;

    /// <summary>The template of the file, or null if none was given.</summary>
    /// <exception cref="TemplateException">The file is no template.</exception>
    public ChatTemplate? ReadTemplate(ParseResult parsed) => parsed.GetValue(template) is { } path ? ReadFile(path) : null;

    /// <summary>What the template is given beside the messages.</summary>
    /// <exception cref="UsageException">A file or a value is not what the option takes.</exception>
    public TemplateOptions Read(ParseResult parsed) => new()
    {
        AddGenerationPrompt = true,
        Variables = parsed.GetValue(variables) is { } json ? Variables(json) : new Dictionary<string, JsonElement>(StringComparer.Ordinal),
        Tools = parsed.GetValue(tools) is { } path ? Tools(path) : [],
    };

    /// <summary>A template of a file.</summary>
    /// <exception cref="TemplateException">The file is no template.</exception>
    public static ChatTemplate ReadFile(string path) => ChatTemplate.Parse(File.ReadAllText(path, Encoding.UTF8), path);

    private Dictionary<string, JsonElement> Variables(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind == JsonValueKind.Object)
                return document.RootElement.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.Clone(), StringComparer.Ordinal);
        }
        catch (JsonException e)
        {
            throw new UsageException($"{variables.Name}: no JSON: {e.Message}", "Put the object in quotes that the shell leaves alone: '{\"enable_thinking\": false}'.");
        }
        throw new UsageException($"{variables.Name} takes a JSON object", "For example '{\"enable_thinking\": false}'.");
    }

    private IReadOnlyList<ToolDefinition> Tools(string path)
    {
        try
        {
            return ToolDefinition.Parse(File.ReadAllText(path, Encoding.UTF8));
        }
        catch (FormatException e)
        {
            throw new UsageException($"{tools.Name} {path}: {e.Message}", "The file holds [{\"type\": \"function\", \"function\": {\"name\": …, \"description\": …, \"parameters\": {JSON schema}}}].");
        }
    }
}
