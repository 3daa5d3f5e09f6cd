namespace WarpDecode.Runtime.Text;

/// <summary>
/// Calls as MiniMax M2 writes them, each value as text:
/// <c>&lt;minimax:tool_call&gt;&lt;invoke name="NAME"&gt;&lt;parameter name="KEY"&gt;VALUE&lt;/parameter&gt;…&lt;/invoke&gt;…&lt;/minimax:tool_call&gt;</c>.
/// </summary>
/// <param name="open">The outer opening tag.</param>
/// <param name="close">The outer closing tag.</param>
internal sealed class InvokeCalls(string open, string close) : CallSyntax
{
    private const string Invoke = "<invoke name=\"";

    public override IReadOnlyList<string> Openers { get; } = [open];

    public override IReadOnlyList<string> Markers { get; } = [open, close, Invoke, "</invoke>", "<parameter name=\"", "</parameter>"];

    public override IEnumerator<Want> Read(CallText text, int opener)
    {
        bool more;
        yield return text.Space();
        do
        {
            yield return text.OneOf(Invoke);
            yield return text.Until("\">", CallText.NameLimit);
            var name = text.Value.Trim();
            if (!IsName(name)) yield return text.Fail();
            var arguments = new CallArguments(text.Tools, name);
            while (true)
            {
                yield return text.Space();
                yield return text.OneOf("<parameter name=\"", "</invoke>");
                if (text.Choice == 1) break;
                yield return text.Until("\">", CallText.NameLimit);
                var key = text.Value;
                yield return text.Until("</parameter>");
                arguments.Add(key, text.Value);
            }
            if (arguments.ToJson() is not { } json)
            {
                yield return text.Fail();
                yield break;
            }
            yield return text.Space();
            yield return text.See(Invoke, close);
            more = text.Choice == 0;
            if (!more) yield return text.OneOf(close);
            text.Add(new ToolCall("", name, json));
        }
        while (more);
    }
}
