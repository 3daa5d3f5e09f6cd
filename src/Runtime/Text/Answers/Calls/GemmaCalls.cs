using System.Text;
using System.Text.Encodings.Web;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// Calls as Gemma 4 writes them: <c>&lt;|tool_call&gt;call:NAME{key:value,…}&lt;tool_call|&gt;</c>, where strings stand between
/// <c>&lt;|"|&gt;</c> and keys have no quotes; numbers, literals, objects and arrays are as in JSON.
/// </summary>
internal sealed class GemmaCalls : CallSyntax
{
    private const string Open = "<|tool_call>";
    private const string Close = "<tool_call|>";
    private const string Quote = "<|\"|>";
    private const int MaxDepth = 60;

    public override IReadOnlyList<string> Openers { get; } = [Open];

    public override IReadOnlyList<string> Markers { get; } = [Open, Close, Quote];

    public override bool EndsReasoning => true;

    public override IEnumerator<Want> Read(CallText text, int opener)
    {
        yield return text.Space();
        yield return text.OneOf("call:");
        yield return text.Word("{ \n<");
        var name = text.Value;
        if (!IsName(name)) yield return text.Fail();
        yield return text.OneOf("{");
        var json = new StringBuilder("{");
        var closers = new Stack<string>(["}"]);
        var first = true;
        while (closers.Count > 0)
        {
            yield return text.Space();
            yield return text.Maybe(closers.Peek());
            if (text.Choice == 0)
            {
                json.Append(closers.Pop());
                first = false;
                continue;
            }
            if (!first)
            {
                yield return text.OneOf(",");
                yield return text.Space();
                json.Append(',');
            }
            first = false;
            if (closers.Peek() == "}")
            {
                yield return text.Maybe(Quote);
                if (text.Choice == 0) yield return text.Until(Quote);
                else yield return text.Word(":,{}[]<\n");
                Append(json, text.Value);
                yield return text.Space();
                yield return text.OneOf(":");
                yield return text.Space();
                json.Append(':');
            }
            yield return text.Maybe(Quote, "{", "[");
            if (text.Choice == 0)
            {
                yield return text.Until(Quote);
                Append(json, text.Value);
            }
            else if (text.Choice > 0)
            {
                if (closers.Count == MaxDepth) yield return text.Fail();
                json.Append(text.Choice == 1 ? '{' : '[');
                closers.Push(text.Choice == 1 ? "}" : "]");
                first = true;
            }
            else
            {
                yield return text.Word(",{}[]<:\n");
                json.Append(text.Value.Trim() is not "None" and var word ? word : "null");
            }
        }
        yield return text.Space();
        yield return text.OneOf(Close);
        var arguments = CallJson.Arguments(json.ToString());
        if (arguments is null) yield return text.Fail();
        text.Add(new ToolCall("", name, arguments!));
    }

    private static void Append(StringBuilder json, string value) =>
        json.Append('"').Append(JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(value)).Append('"');
}
