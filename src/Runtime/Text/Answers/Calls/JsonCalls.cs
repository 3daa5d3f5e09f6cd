namespace WarpDecode.Runtime.Text;

/// <summary>
/// Calls as JSON between two markers: an object <c>{"name": …, "arguments": {…}}</c>, or an array of them. Hermes and Qwen write
/// <c>&lt;tool_call&gt;…&lt;/tool_call&gt;</c>; others have markers of their own, some without one at the end.
/// </summary>
/// <param name="open">Text before the JSON.</param>
/// <param name="close">Text after it.</param>
/// <param name="mayStayOpen">Whether the closing text may be missing.</param>
internal sealed class JsonCalls(string open, string close, bool mayStayOpen = false) : CallSyntax
{
    public override IReadOnlyList<string> Openers { get; } = [open];

    public override IReadOnlyList<string> Markers { get; } = [open, close];

    public override (string Before, string After)? Around(string name, int number) =>
        ($"{open}\n{{\"name\": {Quoted(name)}, \"arguments\": ", mayStayOpen ? "}" : $"}}\n{close}");

    public override IEnumerator<Want> Read(CallText text, int opener)
    {
        yield return text.Space();
        yield return text.Json();
        var calls = CallJson.Calls(text.Value);
        if (calls is null) yield return text.Fail();
        if (mayStayOpen)
        {
            foreach (var call in calls!) text.Add(call);
            yield return text.Space();
            yield return text.Maybe(close);
            yield break;
        }
        yield return text.Space();
        yield return text.OneOf(close);
        foreach (var call in calls!) text.Add(call);
    }
}
