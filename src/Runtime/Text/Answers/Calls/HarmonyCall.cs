namespace WarpDecode.Runtime.Text;

/// <summary>The body of a harmony message to a tool: its arguments, then the end of the message, of which the last token is not seen.</summary>
internal static class HarmonyCall
{
    /// <summary>Markers that may end the body, by <see cref="CallText.Choice"/>; the last begins another message.</summary>
    public static readonly string[] Ends = ["<|call|>", "<|end|>", "<|return|>", "<|start|>"];

    public static IEnumerator<Want> Read(CallText text, string name)
    {
        yield return text.Space();
        yield return text.Json();
        var arguments = CallJson.Arguments(text.Value);
        if (arguments is null) yield return text.Fail();
        yield return text.Space();
        yield return text.Peek();
        if (!text.AtEnd) yield return text.OneOf(Ends);
        text.Add(new ToolCall("", name, arguments!));
    }
}
