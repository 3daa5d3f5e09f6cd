namespace WarpDecode.Runtime.Text;

/// <summary>
/// Calls as Mistral's models write them: <c>[TOOL_CALLS][{"name": …, "arguments": {…}, "id": …}]</c>, and since 2025
/// <c>[TOOL_CALLS]NAME[CALL_ID]ID[ARGS]{…}</c>, with or without an id. Ids are nine letters or digits.
/// </summary>
internal sealed class MistralCalls : CallSyntax
{
    private const string Open = "[TOOL_CALLS]";
    private const string Id = "[CALL_ID]";
    private const string Arguments = "[ARGS]";

    public override IReadOnlyList<string> Openers { get; } = [Open];

    public override IReadOnlyList<string> Markers { get; } = [Open, Id, Arguments];

    public override bool EndsReasoning => true;

    public override (string Before, string After)? Around(string name, int number) => ($"{Open}[{{\"name\": {Quoted(name)}, \"arguments\": ", "}]");

    public override IEnumerator<Want> Read(CallText text, int opener)
    {
        yield return text.Space();
        yield return text.Peek();
        if (text.Next is '[' or '{')
        {
            yield return text.Json();
            var calls = CallJson.Calls(text.Value);
            if (calls is null) yield return text.Fail();
            foreach (var call in calls!) text.Add(call);
            yield break;
        }
        yield return text.Word("[{");
        var name = text.Value.Trim();
        if (!IsName(name)) yield return text.Fail();
        var id = "";
        yield return text.Maybe(Id, Arguments); // neither, where control tokens were left out
        if (text.Choice == 0)
        {
            yield return text.Word("[");
            id = text.Value.Trim();
            yield return text.OneOf(Arguments);
        }
        yield return text.Space();
        yield return text.Json();
        if (CallJson.Arguments(text.Value) is not { } arguments)
        {
            yield return text.Fail();
            yield break;
        }
        text.Add(new ToolCall(id, name, arguments));
    }

    public override string NewId(int number) => $"call{number:D5}";
}
