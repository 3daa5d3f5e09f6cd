using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace WarpDecode.Fuzz;

/// <summary>Knows the length before a safetensors header, and the header's texts, numbers, lists and members.</summary>
internal sealed class SafetensorsMutator : Mutator
{
    private static readonly string[] Numbers =
    [
        "0", "1", "-1", "-0", "00", "1e3", "1E400", "1.5", "9223372036854775807", "9223372036854775808", "18446744073709551616", "1152921504606846976", new string('9', 400),
        "null", "true", "\"1\"", "[]", "{}", "[[[[[[[[1]]]]]]]]", "[1]", "",
    ];

    private static readonly string[] Texts =
    [
        "F32", "F16", "BF16", "F64", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "F6_E2M3", "I8", "U8", "I64", "BOOL", "C64", "X99", "dtype", "shape", "data_offsets", "__metadata__", "w", "",
        "\\u0000", "\\ud800", "\\\"", "\\", "\n", "\u00e9", "/../x", new string('n', 300),
    ];

    private static readonly string[] Members =
    [
        "\"x\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}", "\"e\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}", "\"__metadata__\":{\"a\":\"b\"}", "\"__metadata__\":{}",
        "\"dtype\":\"F32\"", "\"shape\":[1,2]", "\"data_offsets\":[0,1]", "\"more\":null", "\"\":\"\"",
    ];

    private readonly record struct Token(int Start, int End);

    protected override byte[] Change(byte[] bytes, byte[] other, Random random)
    {
        if (bytes.Length < 10 || random.Next(12) == 0) return bytes.Length < 8 ? ChangeBytes(bytes, random) : ChangeInteger(bytes, 0, 8, random);
        var length = (int)Math.Min(BinaryPrimitives.ReadUInt64LittleEndian(bytes), (ulong)bytes.Length - 8);
        var header = bytes[8..(8 + length)];
        var data = bytes[(8 + length)..];
        var (texts, numbers, members) = Scan(header);
        switch (random.Next(11))
        {
            case 0 or 1 when numbers.Count > 0:
                header = Put(header, Pick(numbers), Numbers[random.Next(Numbers.Length)]);
                break;
            case 2 when numbers.Count > 0: // a number near, or another one's
                var number = Pick(numbers);
                var from = Pick(numbers);
                header = long.TryParse(Encoding.UTF8.GetString(header.AsSpan(number.Start, number.End - number.Start)), out var value) && random.Next(2) == 0
                    ? Put(header, number, (value + random.Next(-9, 10)).ToString(CultureInfo.InvariantCulture))
                    : Replace(header, number.Start, number.End - number.Start, header.AsSpan(from.Start, from.End - from.Start));
                break;
            case 3 when texts.Count > 0:
                header = Put(header, Pick(texts), Texts[random.Next(Texts.Length)]);
                break;
            case 4 when members.Count > 0: // a member twice, or a new one
                var member = Pick(members);
                var piece = random.Next(2) == 0 ? header[member.Start..member.End] : Encoding.UTF8.GetBytes(Members[random.Next(Members.Length)]);
                header = Replace(header, Pick(members).Start, 0, [.. piece, (byte)',']);
                break;
            case 5 when members.Count > 0: // a member less, often with its comma
                member = Pick(members);
                var end = member.End < header.Length && header[member.End] == ',' && random.Next(4) > 0 ? member.End + 1 : member.End;
                header = Replace(header, member.Start, end - member.Start, []);
                break;
            case 6 when members.Count > 0: // a member in the place of another
                var (a, b) = (Pick(members), Pick(members));
                header = Replace(header, b.Start, b.End - b.Start, header.AsSpan(a.Start, a.End - a.Start));
                break;
            case 7: // the data grows or shrinks
                data = random.Next(2) == 0 ? [.. data, .. new byte[random.Next(1, 64)]] : data[..Math.Max(0, data.Length - random.Next(1, 64))];
                break;
            case 8: // blanks, as writers pad with
                header = Replace(header, random.Next(header.Length + 1), 0, Encoding.ASCII.GetBytes(new string(' ', random.Next(1, 16))));
                break;
            case 9: // a member of another file
                if (other.Length < 10) break;
                var otherHeader = other[8..(int)Math.Min(8 + BinaryPrimitives.ReadUInt64LittleEndian(other), (ulong)other.Length)];
                var (_, _, theirs) = Scan(otherHeader);
                if (theirs.Count == 0 || members.Count == 0) break;
                member = Pick(theirs);
                header = Replace(header, Pick(members).Start, 0, [.. otherHeader.AsSpan(member.Start, member.End - member.Start), (byte)',']);
                break;
            default:
                header = ChangeBytes(header, random);
                break;
        }
        var lengthBytes = bytes[..8];
        if (random.Next(8) > 0) BinaryPrimitives.WriteInt64LittleEndian(lengthBytes, header.Length); // or else little but wrong lengths would be tested
        return [.. lengthBytes, .. header, .. data];

        Token Pick(List<Token> tokens) => tokens[random.Next(tokens.Count)];
    }

    private static byte[] Put(byte[] header, Token token, string text) => Replace(header, token.Start, token.End - token.Start, Encoding.UTF8.GetBytes(text));

    // Texts without their quotes, numbers, and members ("name": value) of all depths; damaged JSON gives what is still there.
    private static (List<Token> Texts, List<Token> Numbers, List<Token> Members) Scan(byte[] json)
    {
        var (texts, numbers, members) = (new List<Token>(), new List<Token>(), new List<Token>());
        var open = new Stack<int>(); // where members begin whose values are not over
        for (var i = 0; i < json.Length; i++)
        {
            if (json[i] == '"')
            {
                var start = ++i;
                while (i < json.Length && json[i] != '"') i += json[i] == '\\' ? 2 : 1;
                if (i >= json.Length) break;
                texts.Add(new Token(start, i));
                if (i + 1 < json.Length && json[i + 1] == ':') open.Push(start - 1);
                else Close(i + 1);
            }
            else if (json[i] is (byte)'-' or >= (byte)'0' and <= (byte)'9')
            {
                var start = i;
                while (i + 1 < json.Length && json[i + 1] is (byte)'-' or (byte)'+' or (byte)'.' or (byte)'e' or (byte)'E' or >= (byte)'0' and <= (byte)'9') i++;
                numbers.Add(new Token(start, i + 1));
            }
            else if (json[i] is (byte)']' or (byte)'}')
            {
                Close(i + 1);
            }
        }
        return (texts, numbers, members);

        void Close(int end)
        {
            if (open.TryPop(out var start)) members.Add(new Token(start, end));
        }
    }
}
