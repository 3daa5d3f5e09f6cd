namespace WarpDecode.Runtime.Text;

/// <summary>
/// Calls as Qwen3-Coder writes them, each value as text on lines of its own:
/// <code>
/// &lt;tool_call&gt;
/// &lt;function=NAME&gt;
/// &lt;parameter=KEY&gt;
/// VALUE
/// &lt;/parameter&gt;
/// &lt;/function&gt;
/// &lt;/tool_call&gt;
/// </code>
/// One line end at either side of a value is not part of it. Models leave the outer opening tag away at times.
/// </summary>
/// <param name="open">The outer opening tag.</param>
/// <param name="close">The outer closing tag.</param>
internal sealed class FunctionTagCalls(string open, string close) : CallSyntax
{
    private const string Function = "<function=";

    public override IReadOnlyList<string> Openers { get; } = [open, Function];

    public override IReadOnlyList<string> Markers { get; } = [open, close, Function, "</function>", "<parameter=", "</parameter>"];

    public override IEnumerator<Want> Read(CallText text, int opener)
    {
        bool more;
        var paired = opener == 0;
        if (paired) yield return text.Space();
        do
        {
            if (paired) yield return text.OneOf(Function);
            yield return text.Until(">", CallText.NameLimit);
            var name = text.Value.Trim();
            if (!IsName(name)) yield return text.Fail();
            var arguments = new CallArguments(text.Tools, name);
            while (true)
            {
                yield return text.Space();
                yield return text.OneOf("<parameter=", "</function>");
                if (text.Choice == 1) break;
                yield return text.Until(">", CallText.NameLimit);
                var key = text.Value.Trim();
                yield return text.Until("</parameter>");
                arguments.Add(key, WithoutLineEnds(text.Value));
            }
            if (arguments.ToJson() is not { } json)
            {
                yield return text.Fail();
                yield break;
            }
            yield return text.Space();
            if (paired) yield return text.See(close, Function); // there may be several functions between one pair of tags
            more = paired && text.Choice == 1;
            if (!more) yield return text.Maybe(close);
            text.Add(new ToolCall("", name, json));
        }
        while (more);
    }

    private static string WithoutLineEnds(string value)
    {
        var start = value.StartsWith("\r\n", StringComparison.Ordinal) ? 2 : value.StartsWith('\n') ? 1 : 0;
        var end = value.EndsWith("\r\n", StringComparison.Ordinal) ? 2 : value.EndsWith('\n') ? 1 : 0;
        return start + end <= value.Length ? value[start..^end] : "";
    }
}
