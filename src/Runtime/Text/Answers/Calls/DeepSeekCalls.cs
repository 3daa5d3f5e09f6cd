namespace WarpDecode.Runtime.Text;

/// <summary>
/// Calls as DeepSeek's models write them: in V3.1 the name, a separator and the arguments; in V3 and R1 the word <c>function</c>, a
/// separator, the name and the arguments in a fence of JSON. Each call has markers around it, and all together have, too.
/// </summary>
internal sealed class DeepSeekCalls : CallSyntax
{
    private const string AllOpen = "<｜tool▁calls▁begin｜>";
    private const string AllClose = "<｜tool▁calls▁end｜>";
    private const string Open = "<｜tool▁call▁begin｜>";
    private const string Separator = "<｜tool▁sep｜>";
    private const string Close = "<｜tool▁call▁end｜>";

    public override IReadOnlyList<string> Openers { get; } = [AllOpen, Open];

    public override IReadOnlyList<string> Markers { get; } = [AllOpen, AllClose, Open, Separator, Close];

    public override bool EndsReasoning => true;

    public override (string Before, string After)? Around(string name, int number) => ($"{AllOpen}{Open}{name}{Separator}", $"{Close}{AllClose}");

    public override IEnumerator<Want> Read(CallText text, int opener)
    {
        if (opener == 0)
        {
            yield return text.Space();
            yield return text.OneOf(Open);
        }
        do
        {
            yield return text.Until(Separator, CallText.NameLimit);
            var name = text.Value.Trim();
            yield return text.Space();
            yield return text.Peek();
            var fenced = text.Next is not ('{' or '"');
            if (fenced)
            {
                yield return text.Word("\n`");
                name = text.Value.Trim();
                yield return text.Space();
                yield return text.OneOf("```json", "```");
                yield return text.Space();
            }
            if (!IsName(name)) yield return text.Fail();
            yield return text.Json();
            var arguments = CallJson.Arguments(text.Value);
            yield return text.Space();
            if (fenced)
            {
                yield return text.OneOf("```");
                yield return text.Space();
            }
            yield return text.OneOf(Close);
            if (arguments is null) yield return text.Fail();
            text.Add(new ToolCall("", name, arguments!));
            yield return text.Space();
            yield return text.Maybe(Open, AllClose);
        }
        while (text.Choice == 0);
    }
}
