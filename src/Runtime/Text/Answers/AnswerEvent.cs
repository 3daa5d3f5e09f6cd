namespace WarpDecode.Runtime.Text;

/// <summary>What a piece of an answer is.</summary>
public enum AnswerKind
{
    /// <summary>Text for the one who asked.</summary>
    Content,

    /// <summary>Text that the model thought before it spoke.</summary>
    Reasoning,

    /// <summary>A whole call of a tool.</summary>
    ToolCall,
}

/// <summary>A piece of an answer, in the order in which the model wrote it.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">The piece of text; of a call, empty.</param>
/// <param name="Call">The call, where it is one.</param>
public readonly record struct AnswerEvent(AnswerKind Kind, string Text, ToolCall? Call = null);
