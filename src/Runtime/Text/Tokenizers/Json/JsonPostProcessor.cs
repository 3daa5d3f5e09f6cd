namespace WarpDecode.Runtime.Text.Tokenizers.Json;

/// <summary>What tokenizer.json puts around a text.</summary>
internal static class JsonPostProcessor
{
    private const string Known = "BertProcessing, ByteLevel, RobertaProcessing, Sequence, TemplateProcessing";
    private const int Deepest = 16;

    /// <summary>The tokens before and after a text.</summary>
    public static (int[] Before, int[] After) Around(JsonPart root, int count)
    {
        var (before, after) = (new List<int>(), new List<int>());
        if (root.Has("post_processor")) Add(root["post_processor"], before, after, 0);
        if (before.Concat(after).Any(id => id >= count)) root["post_processor"].Wrong($"numbers of tokens below {count}");
        return ([.. before], [.. after]);
    }

    private static void Add(JsonPart part, List<int> before, List<int> after, int depth)
    {
        if (depth > Deepest) part.Wrong("fewer sequences within one another");
        switch (part.Type)
        {
            case "Sequence":
                foreach (var inner in part.Items("processors")) Add(inner, before, after, depth + 1);
                break;
            case "ByteLevel": break; // offsets only
            case "BertProcessing" or "RobertaProcessing":
                before.Insert(0, Second(part["cls"]));
                after.Add(Second(part["sep"]));
                break;
            case "TemplateProcessing":
                Template(part, before, after);
                break;
            default:
                part.Refuse(part.Type, "one of " + Known);
                break;
        }
    }

    private static void Template(JsonPart part, List<int> before, List<int> after)
    {
        var (own, seen) = (new List<int>(), false);
        foreach (var item in part.Items("single"))
        {
            if (item.Has("Sequence"))
            {
                if (seen) item.Refuse("a text put in twice", "a template with the text once");
                seen = true;
                continue;
            }
            var name = item["SpecialToken"].Text("id");
            foreach (var id in part["special_tokens"][name].Items("ids")) (seen ? after : own).Add(id.AsInteger());
        }
        if (!seen) part["single"].Wrong("a template with the text in it");
        before.InsertRange(0, own);
    }

    private static int Second(JsonPart pair)
    {
        if (pair.Value.ValueKind != System.Text.Json.JsonValueKind.Array || pair.Value.GetArrayLength() != 2) pair.Wrong("a token and its number");
        return (pair with { Value = pair.Value[1] }).AsInteger();
    }
}
