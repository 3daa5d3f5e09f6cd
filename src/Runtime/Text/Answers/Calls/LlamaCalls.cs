namespace WarpDecode.Runtime.Text;

/// <summary>
/// Calls as Llama 3.1 and its successors write them: an answer that is <c>{"name": …, "parameters": {…}}</c>, alone or after
/// <c>&lt;|python_tag|&gt;</c>, several with semicolons between them; <c>&lt;function=NAME&gt;{…}&lt;/function&gt;</c>; and of
/// built-in tools <c>&lt;|python_tag|&gt;NAME.call(key="value")</c>.
/// </summary>
internal sealed class LlamaCalls : CallSyntax
{
    private const string Python = "<|python_tag|>";
    private const string Function = "<function=";

    public override IReadOnlyList<string> Openers { get; } = [Python, Function];

    public override IReadOnlyList<string> Markers { get; } = [Python, Function, "</function>"];

    public override bool IsBare => true;

    public override (string Before, string After)? Around(string name, int number) => ($"{{\"name\": {Quoted(name)}, \"parameters\": ", "}");

    public override IEnumerator<Want> Read(CallText text, int opener)
    {
        if (opener == 1) return ReadFunction(text);
        return ReadJson(text, marked: opener == 0);
    }

    private static IEnumerator<Want> ReadFunction(CallText text)
    {
        yield return text.Until(">", CallText.NameLimit);
        var name = text.Value.Trim();
        if (!IsName(name)) yield return text.Fail();
        yield return text.Space();
        yield return text.Json();
        var arguments = CallJson.Arguments(text.Value);
        yield return text.Space();
        yield return text.OneOf("</function>");
        if (arguments is null) yield return text.Fail();
        text.Add(new ToolCall("", name, arguments!));
    }

    private static IEnumerator<Want> ReadJson(CallText text, bool marked)
    {
        yield return text.Space();
        yield return text.Peek();
        if (marked && text.Next is not '{')
        {
            using var builtIn = ReadBuiltIn(text);
            while (builtIn.MoveNext()) yield return builtIn.Current;
            yield break;
        }
        while (true)
        {
            yield return text.Peek();
            if (text.Next != '{') yield return text.Fail();
            yield return text.Json();
            if (marked)
            {
                if (CallJson.Calls(text.Value) is not [var call])
                {
                    yield return text.Fail();
                    yield break;
                }
                text.Add(call);
            }
            else
            {
                if (CallJson.Bare(text.Value, text.Tools) is not { } call)
                {
                    yield return text.Fail();
                    yield break;
                }
                text.Add(call);
            }
            yield return text.Space();
            yield return text.Maybe(";");
            if (text.Choice < 0) yield break;
            yield return text.Space();
            yield return text.Maybe(Python);
        }
    }

    private static IEnumerator<Want> ReadBuiltIn(CallText text)
    {
        yield return text.Word("( \n");
        var name = text.Value.EndsWith(".call", StringComparison.Ordinal) ? text.Value[..^".call".Length] : "";
        if (!IsName(name)) yield return text.Fail();
        yield return text.OneOf("(");
        var arguments = new List<string>();
        yield return text.Maybe(")");
        while (text.Choice != 0)
        {
            yield return text.Space();
            yield return text.Until("=", CallText.NameLimit);
            var key = text.Value.Trim();
            yield return text.Peek();
            if (!IsName(key) || text.Next != '"') yield return text.Fail();
            yield return text.Json();
            arguments.Add($"\"{key}\": {text.Value}");
            yield return text.Space();
            yield return text.OneOf(")", ",");
        }
        if (CallJson.Arguments("{" + string.Join(", ", arguments) + "}") is not { } json)
        {
            yield return text.Fail();
            yield break;
        }
        text.Add(new ToolCall("", name, json));
    }
}
