namespace WarpDecode.Runtime.Text;

/// <summary>
/// Calls as GLM-4.5 and its successors write them, each value as text:
/// <c>&lt;tool_call&gt;NAME &lt;arg_key&gt;KEY&lt;/arg_key&gt; &lt;arg_value&gt;VALUE&lt;/arg_value&gt; … &lt;/tool_call&gt;</c>, with
/// or without line ends between them.
/// </summary>
internal sealed class GlmCalls : CallSyntax
{
    private const string Open = "<tool_call>";
    private const string Close = "</tool_call>";

    public override IReadOnlyList<string> Openers { get; } = [Open];

    public override IReadOnlyList<string> Markers { get; } = [Open, Close, "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"];

    public override IEnumerator<Want> Read(CallText text, int opener)
    {
        yield return text.Space();
        yield return text.Word("\n<{");
        var name = text.Value.Trim();
        if (!IsName(name)) yield return text.Fail();
        var arguments = new CallArguments(text.Tools, name);
        while (true)
        {
            yield return text.Space();
            yield return text.OneOf("<arg_key>", Close);
            if (text.Choice == 1) break;
            yield return text.Until("</arg_key>", CallText.NameLimit);
            var key = text.Value.Trim();
            yield return text.Space();
            yield return text.OneOf("<arg_value>");
            yield return text.Until("</arg_value>");
            arguments.Add(key, text.Value);
        }
        if (arguments.ToJson() is not { } json)
        {
            yield return text.Fail();
            yield break;
        }
        text.Add(new ToolCall("", name, json));
    }
}
