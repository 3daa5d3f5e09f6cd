using System.Text;
using WarpDecode.Formats;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// A model's chat template: a conversation as the one text that the model was trained to continue.
/// </summary>
/// <remarks>
/// Understood now are templates that write each message the same way from texts, its role and its content, and then open the
/// answer: ChatML in its many spellings. These render exactly as Jinja renders them; every other template is refused.
/// </remarks>
public sealed class ChatTemplate
{
    private const string Key = "tokenizer.chat_template";
    private const string RawAdvice = "Use --raw to give the model your text as it is, without a template.";
    private readonly IReadOnlyList<LoopTemplate.Section> sections;

    private ChatTemplate(IReadOnlyList<LoopTemplate.Section> sections) => this.sections = sections;

    /// <summary>Reads the template of a model file (<c>tokenizer.chat_template</c>).</summary>
    /// <exception cref="ModelFileException">The file has none, or one that cannot be rendered exactly yet.</exception>
    public static ChatTemplate FromMetadata(ModelFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (!file.Metadata.Contains(Key))
            throw new ModelFileException("the model has no chat template", file.Path, Key, advice: RawAdvice);
        var parsed = LoopTemplate.Parse(file.Metadata.GetString(Key))
            ?? throw new ModelFileException("chat template cannot be rendered yet:", file.Path, Key, null, "a plain ChatML template",
                file.Metadata.Show(Key), RawAdvice);
        return new ChatTemplate(parsed);
    }

    /// <summary>The text of a conversation.</summary>
    /// <param name="messages">Messages in order.</param>
    /// <param name="addGenerationPrompt">Opens the assistant's next message.</param>
    public string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        var text = new StringBuilder();
        foreach (var part in RenderParts(messages, addGenerationPrompt)) text.Append(part.Text);
        return text.ToString();
    }

    /// <summary>
    /// Ids of a conversation: those of <see cref="Render"/>'s text, with control tokens recognised in the template's own text only.
    /// A message that spells one out is encoded as the ordinary text it is, and cannot end its turn or begin another's.
    /// </summary>
    /// <remarks>Adds no BOS or EOS: a template says all there is.</remarks>
    /// <param name="tokenizer">Tokenizer of the same model.</param>
    /// <param name="messages">Messages in order.</param>
    /// <param name="addGenerationPrompt">Opens the assistant's next message.</param>
    public int[] EncodeChat(Tokenizer tokenizer, IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return tokenizer.Encode([.. RenderParts(messages, addGenerationPrompt)], addSpecial: false);
    }

    /// <summary>The text in parts, the template's own ones trusted, roles and contents not.</summary>
    internal List<TextPart> RenderParts(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var parts = new List<TextPart>();
        foreach (var section in sections)
        {
            if (section.When == LoopTemplate.When.EachMessage)
            {
                foreach (var message in messages) Write(section, message, parts);
            }
            else if (section.When == LoopTemplate.When.Always || addGenerationPrompt)
            {
                Write(section, null, parts);
            }
        }
        return parts;
    }

    private static void Write(LoopTemplate.Section section, ChatMessage? message, List<TextPart> parts)
    {
        foreach (var piece in section.Pieces)
        {
            parts.Add(piece.Source switch
            {
                LoopTemplate.Source.Role => new TextPart(message!.Role, Trusted: false),
                LoopTemplate.Source.Content => new TextPart(message!.Content, Trusted: false),
                _ => new TextPart(piece.Text, Trusted: true),
            });
        }
    }
}
