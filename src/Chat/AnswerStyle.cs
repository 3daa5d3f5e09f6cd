using WarpDecode.Runtime;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat;

/// <summary>How a model's answers are asked for and read.</summary>
/// <param name="Format">How it writes them.</param>
/// <param name="Rendering">What the template is given beside the messages. Without tools nothing is read as a call.</param>
internal sealed record AnswerStyle(AnswerFormat Format, TemplateOptions Rendering)
{
    /// <summary>Lets the format's markers through.</summary>
    public GenerationOptions Apply(GenerationOptions options, Tokenizer tokenizer) =>
        options with { MarkerTokens = Format.MarkerTokens(tokenizer, calls: Rendering.Tools.Count > 0) };

    /// <summary>A reader for the answer to a prompt.</summary>
    /// <param name="tokenizer">Tokenizer of the model.</param>
    /// <param name="prompt">All tokens of the prompt.</param>
    /// <param name="calls">Calls in the conversation so far.</param>
    public AnswerReader Reader(Tokenizer tokenizer, int[] prompt, int calls) =>
        AnswerReader.Create(Format, AnswerReader.EndOf(prompt, tokenizer), Rendering.Tools, calls);
}
