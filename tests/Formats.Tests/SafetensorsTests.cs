using System.Buffers.Binary;
using System.Text;
using Xunit;

namespace WarpDecode.Formats.Tests;

/// <summary>The safetensors reader: what it finds in whole files, and where it refuses damaged and lying ones.</summary>
public class SafetensorsTests
{
    private const string A = """ "a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]} """;
    private const string B = """ "b":{"dtype":"BF16","shape":[2,1],"data_offsets":[8,12]} """;

    private const string None = """ "none":{"dtype":"I64","shape":[0,3],"data_offsets":[8,8]} """;

    /// <summary>A header and how much data follows it; what the refusal must say, and the item it must name.</summary>
    private sealed record Row(string Name, string Header, int Data, string? Item, params string[] Says);

    private static readonly Row[] Rows =
    [
        new("no object", "[]", 0, null, "header at offset 8", "expected a JSON object", "found byte 5B"),
        new("blank before the object", " {}", 0, null, "header at offset 8", "found byte 20"),
        new("not JSON", "{nonsense", 0, null, "header", "expected JSON"),
        new("cut JSON", """{"a":{"dtype":"F32" """, 0, null, "header", "expected JSON"),
        new("something after the object", "{}{}", 0, null, "header", "expected JSON"),
        new("comment", "{/* */}", 0, null, "header", "expected JSON"),
        new("entry is no object", """{"a":[]}""", 0, "a", "entry of tensor 'a' at offset 13", "an object", "found an array"),
        new("name twice", $"{{{A},{A}}}", 8, "a", "name of tensor 'a'", "occurred before"),
        new("name twice, escaped", $"{{{A},{A.Replace("\"a\"", "\"\\u0061\"", StringComparison.Ordinal)}}}", 8, "a", "name of tensor 'a'", "occurred before"),
        new("name too long", $"{{\"{new string('x', 300)}\":{{}}}}", 0, null, "length of a tensor's name at offset 9", "at most 256", "found 300"),
        new("nested too deep", """{"a":{"shape":[[1]]}}""", 0, null, "header", "expected JSON"),
        new("no dtype", """{"a":{"shape":[2],"data_offsets":[0,8]}}""", 8, "a", "entry of tensor 'a'", "no dtype, a shape, 2 data_offsets"),
        new("no shape", """{"a":{"dtype":"F32","data_offsets":[0,8]}}""", 8, "a", "entry of tensor 'a'", "a dtype, no shape"),
        new("no place", """{"a":{"dtype":"F32","shape":[2]}}""", 8, "a", "entry of tensor 'a'", "0 data_offsets"),
        new("half a place", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}""", 8, "a", "entry of tensor 'a'", "1 data_offsets"),
        new("three offsets", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}}""", 8, "a", "data_offsets of tensor 'a'", "at most 2 numbers"),
        new("field twice", """{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8, "a", "field of tensor 'a'", "another 'dtype'"),
        new("unknown field", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}""", 8, "a", "field of tensor 'a'", "another 'x'"),
        new("unknown type", """{"a":{"dtype":"F128","shape":[2],"data_offsets":[0,8]}}""", 8, "a", "dtype of tensor 'a'", "found 'F128'"),
        new("type is a number", """{"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}}""", 8, "a", "dtype of tensor 'a'", "a text", "found '7'"),
        new("negative size", """{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", 8, "a", "shape of tensor 'a'", "found '-2'"),
        new("fractional size", """{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}""", 8, "a", "shape of tensor 'a'", "found '2.0'"),
        new("size beyond 63 bits", """{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}}""", 8, "a", "shape of tensor 'a'", "2^63 - 1"),
        new("size is null", """{"a":{"dtype":"F32","shape":[null],"data_offsets":[0,8]}}""", 8, "a", "shape of tensor 'a'", "found null"),
        new("nine dimensions", """{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}}""", 8, "a", "shape of tensor 'a'", "at most 8 numbers"),
        new("product overflows", """{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "a", "shape of tensor 'a'", "at most 2^59"),
        new("product overflows behind a zero", """{"a":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "a", "at most 2^59"),
        new("half a byte", """{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}""", 1, "a", "shape of tensor 'a'", "12 bits"),
        new("too few bytes", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,7]}}""", 7, "a", "data_offsets of tensor 'a'", "8 bytes", "F32 [2]", "found 7"),
        new("ends before it begins", """{"a":{"dtype":"F32","shape":[0],"data_offsets":[8,0]}}""", 8, "a", "data_offsets of tensor 'a'", "[8, 0]"),
        new("beyond the file", """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 7, "a", "data_offsets of tensor 'a'", "7 bytes of data", "[0, 8]"),
        new("overlap", $"{{{A},{B.Replace("[8,12]", "[7,11]", StringComparison.Ordinal)}}}", 11, "b", "data of tensor 'b'", "an overlap"),
        new("same place", """{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}""", 2, "b", "an overlap"),
        new("hole", $"{{{A},{B.Replace("[8,12]", "[10,14]", StringComparison.Ordinal)}}}", 14, "b", "data of tensor 'b'", "a hole of 2 bytes"),
        new("hole at the start", $"{{{B}}}", 12, "b", "data of tensor 'b'", "the header", "a hole of 8 bytes"),
        new("bytes at the end", $"{{{A}}}", 9, null, "data at offset", "the end of the file", "1 bytes that belong to no tensor"),
        new("metadata is no object", """{"__metadata__":3}""", 0, "__metadata__", "entry of tensor '__metadata__'", "an object", "'3'"),
        new("metadata holds a number", """{"__metadata__":{"a":3}}""", 0, "__metadata__", "value in '__metadata__'", "a text"),
        new("metadata twice", """{"__metadata__":{},"__metadata__":{}}""", 0, "__metadata__", "occurred before"),
    ];

    public static TheoryData<string> RowNames => [.. Rows.Select(r => r.Name)];

    [Theory]
    [MemberData(nameof(RowNames))]
    public void RefusesWhatIsDamaged(string name)
    {
        var row = Rows.Single(r => r.Name == name);
        var error = Refused(Bytes(row.Header, row.Data));
        Assert.Equal(row.Item, error.Item);
        foreach (var says in row.Says) Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Offset);
        Assert.EndsWith(".", error.Advice, StringComparison.Ordinal);
    }

    [Fact]
    public void RefusesTextThatIsNotUtf8()
    {
        var bytes = Bytes($"{{{A}}}", 8);
        bytes[Array.IndexOf(bytes, (byte)'a')] = 0xFF;
        Assert.Contains("header", Refused(bytes).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(100_000_001, "at most 100000000 bytes")]
    [InlineData(ulong.MaxValue, "at most 100000000 bytes")]
    [InlineData(1000, "because the file ends there")]
    public void RefusesALyingLength(ulong length, string says)
    {
        var bytes = Bytes($"{{{A}}}", 8);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        var error = Refused(bytes);
        Assert.Equal(0, error.Offset);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RefusesEveryPrefix() // cut anywhere, it is never taken for whole
    {
        var whole = Bytes($$"""{"__metadata__":{"format":"pt"},{{A}},{{B}} }""", 12);
        for (var length = 0; length < whole.Length; length++) Refused(whole[..length]);
    }

    [Fact]
    public unsafe void FindsTensors()
    {
        var bytes = Bytes($$"""{"__metadata__":{"format":"pt"},{{B}},{{A}},{{None}} }   """, 12);
        var data = bytes.Length - 12;
        for (var i = 0; i < 12; i++) bytes[data + i] = (byte)i;
        using var temp = new TempFile(bytes);
        using var file = new Safetensors(temp.Path);
        Assert.Equal(["b", "a", "none"], file.Tensors.Select(t => t.Name));
        Assert.Equal([SafetensorsType.BF16, SafetensorsType.F32, SafetensorsType.I64], file.Tensors.Select(t => t.Type));
        Assert.Equal([2, 1], file.Tensors[0].Shape);
        Assert.Equal(data + 8, file.Tensors[0].Offset);
        Assert.Equal(4, file.Tensors[0].Bytes);
        Assert.Equal(8, *file.Tensors[0].Data);
        Assert.Equal(0, file.Tensors[2].Bytes);
    }

    [Fact]
    public void TakesAnEmptyOne()
    {
        using var temp = new TempFile(Bytes("{}", 0));
        using var file = new Safetensors(temp.Path);
        Assert.Empty(file.Tensors);
    }

    [Fact]
    public void TakesScalars()
    {
        using var temp = new TempFile(Bytes("""{"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}""", 4));
        using var file = new Safetensors(temp.Path);
        Assert.Empty(Assert.Single(file.Tensors).Shape);
    }

    private static byte[] Bytes(string header, int data)
    {
        var text = Encoding.UTF8.GetBytes(header);
        var bytes = new byte[8 + text.Length + data];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)text.Length);
        text.CopyTo(bytes, 8);
        return bytes;
    }

    private static ModelFileException Refused(byte[] bytes)
    {
        using var temp = new TempFile(bytes);
        var error = Assert.Throws<ModelFileException>(() => new Safetensors(temp.Path).Dispose());
        Assert.Equal(temp.Path, error.File);
        return error;
    }
}
