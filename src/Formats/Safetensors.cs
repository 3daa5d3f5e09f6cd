using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Json;

namespace WarpDecode.Formats;

/// <summary>Element types of safetensors, named as its documentation names them.</summary>
internal enum SafetensorsType
{
    Bool,
    U8,
    I8,
    F4,
    F6_E2M3,
    F6_E3M2,
    F8_E4M3,
    F8_E5M2,
    F8_E8M0,
    U16,
    I16,
    F16,
    BF16,
    U32,
    I32,
    F32,
    U64,
    I64,
    F64,
    C64,
}

/// <summary>One tensor of a safetensors file where it lies in the map.</summary>
/// <param name="File">The file that holds it.</param>
/// <param name="Name">Name in the file.</param>
/// <param name="Type">Type of the elements.</param>
/// <param name="Shape">Sizes, outermost first, the last one contiguous; empty for a single number.</param>
/// <param name="Offset">Byte offset of the first element from the start of the file.</param>
/// <param name="Bytes">Bytes that it takes.</param>
internal sealed unsafe record SafetensorsTensor(Safetensors File, string Name, SafetensorsType Type, long[] Shape, long Offset, long Bytes)
{
    /// <summary>Address of the first byte in the memory map.</summary>
    internal byte* Data => File.Start + Offset; // not public: a record prints what is, and the code for a pointer is none that can be compiled ahead
}

/// <summary>
/// A safetensors file, mapped without a copy. Layout (github.com/huggingface/safetensors, "Format"):
/// <code>
/// u64 N, little-endian · N bytes of JSON · data
/// JSON: { "NAME": { "dtype": "BF16", "shape": [rows, columns], "data_offsets": [begin, end] }, …, "__metadata__": { "KEY": "text" } }
/// </code>
/// The offsets count from the start of the data, which the tensors fill without holes. The header is hostile until checked: one
/// object, no name twice, every size within its limit, every tensor's bytes what its type and shape ask for.
/// </summary>
internal sealed unsafe class Safetensors : IDisposable
{
    private const string MetadataName = "__metadata__";
    private const string BrokenAdvice = "The file is damaged or incomplete: download it again and compare its size and checksum.";
    private const int LengthBytes = 8;

    // Header, entry, array.
    private const int Depth = 3;

    private static readonly Dictionary<string, (SafetensorsType Type, int Bits)> Types = new(StringComparer.Ordinal)
    {
        ["BOOL"] = (SafetensorsType.Bool, 8),
        ["U8"] = (SafetensorsType.U8, 8),
        ["I8"] = (SafetensorsType.I8, 8),
        ["F4"] = (SafetensorsType.F4, 4),
        ["F6_E2M3"] = (SafetensorsType.F6_E2M3, 6),
        ["F6_E3M2"] = (SafetensorsType.F6_E3M2, 6),
        ["F8_E4M3"] = (SafetensorsType.F8_E4M3, 8),
        ["F8_E5M2"] = (SafetensorsType.F8_E5M2, 8),
        ["F8_E8M0"] = (SafetensorsType.F8_E8M0, 8),
        ["U16"] = (SafetensorsType.U16, 16),
        ["I16"] = (SafetensorsType.I16, 16),
        ["F16"] = (SafetensorsType.F16, 16),
        ["BF16"] = (SafetensorsType.BF16, 16),
        ["U32"] = (SafetensorsType.U32, 32),
        ["I32"] = (SafetensorsType.I32, 32),
        ["F32"] = (SafetensorsType.F32, 32),
        ["U64"] = (SafetensorsType.U64, 64),
        ["I64"] = (SafetensorsType.I64, 64),
        ["F64"] = (SafetensorsType.F64, 64),
        ["C64"] = (SafetensorsType.C64, 64),
    };

    private readonly MappedFile file;
    private readonly List<SafetensorsTensor> tensors = [];
    private readonly HashSet<string> names = new(StringComparer.Ordinal);
    private readonly long dataStart;

    public Safetensors(string path)
        : this(new MappedFile(path))
    {
    }

    /// <summary>Reads what is mapped, and takes it over.</summary>
    /// <exception cref="ModelFileException">It is not a safetensors file, or a damaged one.</exception>
    public Safetensors(MappedFile mapped)
    {
        file = mapped;
        try
        {
            dataStart = LengthBytes + HeaderLength();
            ReadHeader();
            CheckPlaces();
            file.CheckWhole();
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public string Path => file.Path;

    /// <summary>Bytes on disk.</summary>
    public long Length => file.Length;

    /// <summary>Address of the file's first byte; valid until <see cref="Dispose"/>.</summary>
    public byte* Start => file.Start;

    /// <summary>Tensors in the order of the header.</summary>
    public IReadOnlyList<SafetensorsTensor> Tensors => tensors;

    /// <inheritdoc cref="MappedFile.CheckWhole"/>
    public void CheckWhole() => file.CheckWhole();

    public void Dispose() => file.Dispose();

    private int HeaderLength()
    {
        if (file.Length < LengthBytes)
            Fail("length of the header", null, 0, $"{LengthBytes} bytes", $"the end of the file at {file.Length}");
        var length = BinaryPrimitives.ReadUInt64LittleEndian(file.Span(0, LengthBytes));
        if (length > Limits.SafetensorsHeaderBytes)
        {
            ModelFileException.Throw("length of the header", Path, null, 0, $"at most {Limits.SafetensorsHeaderBytes} bytes", length.ToString(),
                "This is not a safetensors file, or it is damaged.");
        }
        if (length > (ulong)(file.Length - LengthBytes))
            Fail("length of the header", null, 0, $"at most {file.Length - LengthBytes} bytes, because the file ends there", length.ToString());
        return (int)length;
    }

    private void ReadHeader()
    {
        var json = file.Span(LengthBytes, (int)(dataStart - LengthBytes));
        if (json.IsEmpty || json[0] != '{')
            Fail("header", null, LengthBytes, "a JSON object", json.IsEmpty ? "nothing" : $"byte {json[0]:X2}");
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = Depth });
        try
        {
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName) ReadEntry(ref reader);
            reader.Read(); // throws if anything but blanks follows
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // not JSON; or a text that is not UTF-8
        {
            throw new ModelFileException("header", Path, null, LengthBytes + reader.BytesConsumed, "JSON", e.Message, BrokenAdvice, e);
        }
    }

    private void ReadEntry(ref Utf8JsonReader reader)
    {
        var at = OffsetOf(reader);
        if (reader.ValueSpan.Length > (int)Limits.TensorNameBytes)
            Fail("length of a tensor's name", null, at, $"at most {Limits.TensorNameBytes} bytes", reader.ValueSpan.Length.ToString());
        var name = reader.GetString()!;
        if (!names.Add(name)) Fail("name of tensor", name, at, "a name of its own", "a name that occurred before");
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject) Unexpected(reader, "entry of tensor", name, "an object");
        if (name == MetadataName) CheckMetadata(ref reader);
        else ReadTensor(ref reader, name);
        if ((ulong)tensors.Count > Limits.Tensors) Fail("number of tensors", null, at, $"at most {Limits.Tensors}", "more");
    }

    // Free texts, of which none means anything to us: they are walked over and not kept.
    private void CheckMetadata(ref Utf8JsonReader reader)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) Unexpected(reader, "value in", MetadataName, "a text");
        }
    }

    private void ReadTensor(ref Utf8JsonReader reader, string name)
    {
        var at = OffsetOf(reader);
        (SafetensorsType Type, int Bits)? type = null;
        long[]? shape = null;
        long[]? place = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var fieldAt = OffsetOf(reader);
            if (reader.ValueTextEquals("dtype"u8) && type is null) type = ReadType(ref reader, name);
            else if (reader.ValueTextEquals("shape"u8) && shape is null) shape = ReadNumbers(ref reader, name, "shape", Limits.SafetensorsDimensions);
            else if (reader.ValueTextEquals("data_offsets"u8) && place is null) place = ReadNumbers(ref reader, name, "data_offsets", 2);
            else Fail("field of tensor", name, fieldAt, "dtype, shape and data_offsets, each once", $"another '{Written(reader)}'");
        }
        if (type is null || shape is null || place is not [var begin, var end])
        {
            Fail("entry of tensor", name, at, "a dtype, a shape and two data_offsets",
                $"{(type is null ? "no" : "a")} dtype, {(shape is null ? "no" : "a")} shape, {place?.Length ?? 0} data_offsets");
            return;
        }

        UInt128 product = 1;
        foreach (var size in shape)
        {
            // Sizes of 0 are left out of this product: they must not hide others whose product overflows elsewhere.
            product *= (ulong)Math.Max(size, 1);
            if (product > Limits.Weights) Fail("shape of tensor", name, at, $"at most 2^{ulong.Log2(Limits.Weights)} elements", "more");
        }
        if (shape.Contains(0)) product = 0;
        var bits = product * (ulong)type.Value.Bits;
        var dataLength = file.Length - dataStart;
        if (begin > end || end > dataLength)
            Fail("data_offsets of tensor", name, at, $"a stretch of the file's {dataLength} bytes of data", $"[{begin}, {end}]");
        if (bits % 8 != 0) Fail("shape of tensor", name, at, "a whole number of bytes", $"{bits} bits");
        if (bits / 8 != (ulong)(end - begin))
            Fail("data_offsets of tensor", name, at, $"{bits / 8} bytes, which {type.Value.Type} [{string.Join(", ", shape)}] takes", $"{end - begin}");
        tensors.Add(new SafetensorsTensor(this, name, type.Value.Type, shape, dataStart + begin, end - begin));
    }

    private (SafetensorsType Type, int Bits) ReadType(ref Utf8JsonReader reader, string name)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.String) Unexpected(reader, "dtype of tensor", name, "a text");
        var text = reader.ValueSpan.Length <= 64 ? reader.GetString()! : Written(reader);
        if (Types.TryGetValue(text, out var type)) return type;
        ModelFileException.Throw("dtype of tensor", Path, name, OffsetOf(reader), "a type of the safetensors format", $"'{text}'",
            "The file is damaged, or its type is newer than this runtime.");
        return default;
    }

    private long[] ReadNumbers(ref Utf8JsonReader reader, string name, string field, int most)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray) Unexpected(reader, $"{field} of tensor", name, "an array of numbers");
        Span<long> numbers = stackalloc long[most];
        var count = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (count == most) Fail($"{field} of tensor", name, OffsetOf(reader), $"at most {most} numbers", "more");
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var number) || number < 0)
            {
                Unexpected(reader, $"{field} of tensor", name, "a whole number from 0 to 2^63 - 1");
                return [];
            }
            numbers[count++] = number;
        }
        return numbers[..count].ToArray();
    }

    // The tensors fill the data in some order: no byte belongs to two of them, and none to nobody.
    private void CheckPlaces()
    {
        var sorted = tensors.OrderBy(t => t.Offset).ThenBy(t => t.Bytes).ToList();
        var (next, before) = (dataStart, "the header");
        foreach (var tensor in sorted)
        {
            if (tensor.Offset != next)
            {
                Fail("data of tensor", tensor.Name, tensor.Offset, $"a start at {next}, where {before} ends",
                    tensor.Offset < next ? "an overlap" : $"a hole of {tensor.Offset - next} bytes");
            }
            next = tensor.Offset + tensor.Bytes;
            before = $"'{tensor.Name}'";
        }
        if (next != file.Length) Fail("data", null, next, "the end of the file", $"{file.Length - next} bytes that belong to no tensor");
    }

    /// <summary>The token as it is written in the header, for messages.</summary>
    private static string Written(in Utf8JsonReader reader) => Encoding.UTF8.GetString(reader.ValueSpan[..Math.Min(reader.ValueSpan.Length, 64)]);

    private static long OffsetOf(in Utf8JsonReader reader) => LengthBytes + reader.TokenStartIndex;

    [DoesNotReturn]
    private void Unexpected(in Utf8JsonReader reader, string what, string name, string expected) =>
        Fail(what, name, OffsetOf(reader), expected, reader.TokenType is JsonTokenType.Number or JsonTokenType.String
            ? $"'{Written(reader)}'"
            : reader.TokenType switch
            {
                JsonTokenType.StartObject => "an object",
                JsonTokenType.StartArray => "an array",
                JsonTokenType.True or JsonTokenType.False => "a truth value",
                _ => "null",
            });

    [DoesNotReturn]
    private void Fail(string what, string? name, long offset, string expected, string found) =>
        ModelFileException.Throw(what, Path, name, offset, expected, found, BrokenAdvice);
}
