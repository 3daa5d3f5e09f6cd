namespace WarpDecode.Runtime.Text;

/// <summary>
/// Calls as Kimi K2 writes them: each between markers, and all together between others, with an id <c>functions.NAME:NUMBER</c>
/// that holds the name.
/// </summary>
internal sealed class KimiCalls : CallSyntax
{
    private const string AllOpen = "<|tool_calls_section_begin|>";
    private const string AllClose = "<|tool_calls_section_end|>";
    private const string Open = "<|tool_call_begin|>";
    private const string Arguments = "<|tool_call_argument_begin|>";
    private const string Close = "<|tool_call_end|>";

    public override IReadOnlyList<string> Openers { get; } = [AllOpen, Open];

    public override IReadOnlyList<string> Markers { get; } = [AllOpen, AllClose, Open, Arguments, Close];

    public override bool EndsReasoning => true;

    public override (string Before, string After)? Around(string name, int number) => ($"{AllOpen}{Open}functions.{name}:{number}{Arguments}", $"{Close}{AllClose}");

    public override IEnumerator<Want> Read(CallText text, int opener)
    {
        if (opener == 0)
        {
            yield return text.Space();
            yield return text.OneOf(Open);
        }
        do
        {
            yield return text.Until(Arguments, CallText.NameLimit);
            var id = text.Value.Trim();
            var name = NameOf(id);
            if (!IsName(name)) yield return text.Fail();
            yield return text.Space();
            yield return text.Json();
            var arguments = CallJson.Arguments(text.Value);
            yield return text.Space();
            yield return text.OneOf(Close);
            if (arguments is null) yield return text.Fail();
            text.Add(new ToolCall(id, name, arguments!));
            yield return text.Space();
            yield return text.Maybe(Open, AllClose);
        }
        while (text.Choice == 0);
    }

    private static string NameOf(string id)
    {
        const string space = "functions.";
        var start = id.StartsWith(space, StringComparison.Ordinal) ? space.Length : 0;
        var colon = id.LastIndexOf(':');
        var end = colon >= start && id.AsSpan(colon + 1) is { Length: > 0 } number && number.IndexOfAnyExceptInRange('0', '9') < 0 ? colon : id.Length;
        return id[start..end];
    }
}
