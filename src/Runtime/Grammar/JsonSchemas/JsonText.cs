using System.Globalization;
using System.Text;
using System.Text.Json;

namespace WarpDecode.Runtime.Grammars.JsonSchemas;

/// <summary>The parts that JSON is made of, as symbols of a grammar, and values in one fixed spelling.</summary>
internal static class JsonText
{
    private static readonly CodePoints Special = CodePoints.Of([(0, 0x1F), ('"', '"'), ('\\', '\\')]);

    /// <summary>A character that stands for itself in a string.</summary>
    public static CodePoints Direct { get; } = Special.Complement();

    /// <summary>At most one space, after <c>,</c> and <c>:</c>: a model cannot pad for ever.</summary>
    public static Node Space { get; } = Node.Optional(Node.Text(" "));

    public static Node Comma { get; } = Node.Sequence(Node.Text(","), Space);

    public static Node Digit { get; } = Node.In(('0', '9'));

    /// <summary>One character of a string, in any spelling; of a surrogate pair both halves.</summary>
    public static Node Character { get; } = MakeCharacter();

    /// <summary>A number with as many digits as a double has, and small exponents.</summary>
    public static Node Number { get; } = Node.Sequence(
        Node.Optional(Node.Text("-")), Natural(16), Node.Optional(Node.Sequence(Node.Text("."), Node.Repeat(Digit, 1, 16))),
        Node.Optional(Node.Sequence(Node.Char(CodePoints.Of("eE")), Node.Optional(Node.Char(CodePoints.Of("+-"))), Node.Repeat(Digit, 1, 2))));

    /// <summary>A whole number of up to 18 digits.</summary>
    public static Node Integer { get; } = Node.Choice(
        Node.Text("0"), Node.Sequence(Node.Optional(Node.Text("-")), Node.In(('1', '9')), Node.Repeat(Digit, 0, 17)));

    public static Node Boolean { get; } = Node.Choice(Node.Text("true"), Node.Text("false"));

    /// <summary>A string of characters.</summary>
    public static Node Quoted(Node content) => Node.Sequence(Node.Text("\""), content, Node.Text("\""));

    /// <summary>A character of a set, in its shortest spelling.</summary>
    public static Node Spelled(CodePoints set)
    {
        var options = new List<Node>();
        var direct = set.Except(Special);
        if (!direct.IsEmpty) options.Add(Node.Char(direct));
        foreach (var (low, high) in Special.Ranges)
        {
            for (var c = low; c <= high; c++)
            {
                if (set.Contains(c)) options.Add(Node.Text(Escape((char)c)));
            }
        }
        return Node.Choice([.. options]);
    }

    /// <summary>A string in its shortest spelling.</summary>
    public static string Spelled(string text)
    {
        var spelled = new StringBuilder("\"");
        foreach (var c in text)
        {
            if (Special.Contains(c)) spelled.Append(Escape(c));
            else spelled.Append(c);
        }
        return spelled.Append('"').ToString();
    }

    /// <summary>A value without spaces; numbers as they are written.</summary>
    public static string Spelled(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => Spelled(value.GetString()!),
        JsonValueKind.Array => $"[{string.Join(',', value.EnumerateArray().Select(Spelled))}]",
        JsonValueKind.Object => $"{{{string.Join(',', value.EnumerateObject().Select(p => $"{Spelled(p.Name)}:{Spelled(p.Value)}"))}}}",
        _ => value.GetRawText(),
    };

    private static Node Natural(int digits) => Node.Choice(Node.Text("0"), Node.Sequence(Node.In(('1', '9')), Node.Repeat(Digit, 0, digits - 1)));

    private static string Escape(char c) => c switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\b' => "\\b",
        '\f' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        _ => "\\u" + ((int)c).ToString("x4", CultureInfo.InvariantCulture),
    };

    private static Node MakeCharacter()
    {
        var hex = Node.In(('0', '9'), ('a', 'f'), ('A', 'F'));
        var d = Node.Char(CodePoints.Of("dD"));
        var unit = Node.Choice(
            Node.Sequence(Node.In(('0', '9'), ('a', 'c'), ('A', 'C'), ('e', 'f'), ('E', 'F')), hex, hex, hex),
            Node.Sequence(d, Node.In(('0', '7')), hex, hex),
            Node.Sequence(d, Node.In(('8', '9'), ('a', 'b'), ('A', 'B')), hex, hex, Node.Text("\\u"), d, Node.In(('c', 'f'), ('C', 'F')), hex, hex));
        return Node.Choice(
            Node.Char(Direct),
            Node.Sequence(Node.Text("\\"), Node.Choice(Node.Char(CodePoints.Of("\"\\/bfnrt")), Node.Sequence(Node.Text("u"), unit))));
    }
}
