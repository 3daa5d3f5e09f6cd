using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace WarpDecode.Formats;

/// <summary>Types of metadata values, numbered as the GGUF specification numbers them.</summary>
#pragma warning disable CS1591 // the names are the specification's own
public enum MetadataType
{
    UInt8 = 0,
    Int8 = 1,
    UInt16 = 2,
    Int16 = 3,
    UInt32 = 4,
    Int32 = 5,
    Float32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    UInt64 = 10,
    Int64 = 11,
    Float64 = 12,
}
#pragma warning restore CS1591

/// <summary>
/// Metadata of a model file by key, with typed access that says which key is missing or of the wrong type.
/// Strings and arrays stay in the memory map until they are asked for.
/// </summary>
/// <remarks>Immutable and safe to use from many threads, as long as none disposes the file; afterwards values throw <see cref="ObjectDisposedException"/>.</remarks>
public sealed class Metadata
{
    private const string MissingAdvice = "The file is incomplete for this use: convert or download it again.";
    private const string WrongAdvice = "Convert the model again with a current converter; if the value is right, this runtime does not support it.";
    private const string ChangedAdvice = "Something wrote to the file while it was open: open it again once that is done.";

    private readonly MappedFile file;
    private readonly List<string> keys = [];
    private readonly Dictionary<string, Entry> entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ModelFileException> refused = new(StringComparer.Ordinal);

    internal Metadata(MappedFile file)
    {
        this.file = file;
        Keys = keys.AsReadOnly();
    }

    /// <summary>
    /// A value where it lies: its encoded bytes are <c>Start … End − 1</c> of the file. A string's begin with a u64 length, an
    /// array's with a u32 element type and a u64 count; for an array <c>Element</c> and <c>Count</c> repeat these, as checked.
    /// </summary>
    internal readonly record struct Entry(MetadataType Type, long Start, long End, MetadataType Element, long Count);

    /// <summary>Keys in the file's own order.</summary>
    public IReadOnlyList<string> Keys { get; }

    /// <summary>Keys that the model has something for that cannot be expressed, and why: asking for their values throws that.</summary>
    internal IReadOnlyDictionary<string, ModelFileException> Refused => refused;

    /// <summary>Whether the file has <paramref name="key"/>.</summary>
    public bool Contains(string key) => entries.ContainsKey(key);

    /// <summary>Type of the value of <paramref name="key"/>, and for arrays the type of its elements and their number.</summary>
    /// <exception cref="ModelFileException">The key is missing.</exception>
    public (MetadataType Type, MetadataType Element, long Count) Describe(string key)
    {
        var e = Require(key);
        return (e.Type, e.Element, e.Count);
    }

    /// <summary>An integer, from any integer type that holds it, as a value between <paramref name="min"/> and <paramref name="max"/>.</summary>
    /// <exception cref="ModelFileException">Missing, not an integer, or out of range.</exception>
    public long GetInteger(string key, long min = long.MinValue, long max = long.MaxValue)
    {
        var e = Require(key);
        if (!IsInteger(e.Type)) Wrong(key, e, "an integer");
        return Integer(key, e.Type, e.Start, min, max);
    }

    /// <inheritdoc cref="GetInteger(string, long, long)"/>
    public int GetInt32(string key, int min = 0, int max = int.MaxValue) => (int)GetInteger(key, min, max);

    /// <summary>A number of any numeric type.</summary>
    /// <exception cref="ModelFileException">Missing, not a number, or not finite.</exception>
    public double GetNumber(string key)
    {
        var e = Require(key);
        if (!IsInteger(e.Type) && e.Type is not (MetadataType.Float32 or MetadataType.Float64)) Wrong(key, e, "a number");
        var value = IsInteger(e.Type) ? (double)Integer(e.Type, e.Start) : Float(e.Type, e.Start);
        if (!double.IsFinite(value))
            ModelFileException.Throw("metadata", file.Path, key, e.Start, "a finite number", value.ToString(), WrongAdvice);
        return value;
    }

    /// <summary>A truth value.</summary>
    /// <exception cref="ModelFileException">Missing or of another type.</exception>
    public bool GetBool(string key)
    {
        var e = Require(key);
        if (e.Type != MetadataType.Bool) Wrong(key, e, "a bool");
        return file.Span(e.Start, 1)[0] != 0;
    }

    /// <summary>A text. Bytes that are not valid UTF-8 come out as replacement characters.</summary>
    /// <exception cref="ModelFileException">Missing or of another type.</exception>
    public string GetString(string key)
    {
        var e = Require(key);
        if (e.Type != MetadataType.String) Wrong(key, e, "a string");
        return Encoding.UTF8.GetString(StringAt(key, e.Start, e.End, out _));
    }

    /// <summary>An array of texts. Bytes that are not valid UTF-8 come out as replacement characters.</summary>
    /// <exception cref="ModelFileException">Missing or of another type.</exception>
    public string[] GetStrings(string key)
    {
        var e = RequireArray(key, "an array of strings", type => type == MetadataType.String);
        var result = new string[e.Count];
        var at = ElementsOf(e);
        for (var i = 0; i < result.Length; i++) result[i] = Encoding.UTF8.GetString(StringAt(key, at, e.End, out at));
        return result;
    }

    /// <summary>One text of an array of texts, without making the others.</summary>
    /// <exception cref="ModelFileException">Missing, of another type, or shorter.</exception>
    public string GetString(string key, int index)
    {
        var e = RequireArray(key, "an array of strings", type => type == MetadataType.String);
        if (index < 0 || index >= e.Count) ModelFileException.Throw("metadata", file.Path, key, e.Start, $"more than {index} elements", $"{e.Count}", WrongAdvice);
        var at = ElementsOf(e);
        for (var i = 0; i < index; i++) StringAt(key, at, e.End, out at);
        return Encoding.UTF8.GetString(StringAt(key, at, e.End, out _));
    }

    /// <summary>An array of integers of any integer type, or a single integer as an array of one.</summary>
    /// <exception cref="ModelFileException">Missing, of another type, or too large for 64 bits with sign.</exception>
    public long[] GetIntegers(string key)
    {
        if (IsInteger(Require(key).Type)) return [GetInteger(key)];
        var e = RequireArray(key, "an array of integers", IsInteger);
        var result = new long[e.Count];
        var size = ScalarBytes(e.Element);
        for (var i = 0; i < result.Length; i++)
            result[i] = Integer(key, e.Element, ElementsOf(e) + ((long)i * size), long.MinValue, long.MaxValue);
        return result;
    }

    /// <summary>An array of 32-bit floats.</summary>
    /// <exception cref="ModelFileException">Missing or of another type.</exception>
    public float[] GetSingles(string key)
    {
        var e = RequireArray(key, "an array of float32", type => type == MetadataType.Float32);
        var result = new float[e.Count];
        for (var i = 0; i < result.Length; i++) result[i] = (float)Float(e.Element, ElementsOf(e) + (4L * i));
        return result;
    }

    /// <summary>An array of truth values.</summary>
    /// <exception cref="ModelFileException">Missing or of another type.</exception>
    public bool[] GetBools(string key)
    {
        var e = RequireArray(key, "an array of bools", type => type == MetadataType.Bool);
        var result = new bool[e.Count];
        for (var i = 0; i < result.Length; i++) result[i] = file.Span(ElementsOf(e) + i, 1)[0] != 0;
        return result;
    }

    /// <summary>
    /// A value of any type in words, for listings, made safe to print: long texts and arrays are cut to
    /// <paramref name="longest"/> characters.
    /// </summary>
    /// <exception cref="ModelFileException">The key is missing.</exception>
    public string Show(string key, int longest = 80)
    {
        var e = Require(key);
        var text = new StringBuilder();
        Append(text, key, e.Type, e.Start, e.End, longest);
        return ModelFileException.Printable(text.Replace('\n', '⏎').ToString(), longest);
    }

    /// <summary>Bytes of a scalar; 0 for strings and arrays.</summary>
    internal static int ScalarBytes(MetadataType type) => type switch
    {
        MetadataType.UInt8 or MetadataType.Int8 or MetadataType.Bool => 1,
        MetadataType.UInt16 or MetadataType.Int16 => 2,
        MetadataType.UInt32 or MetadataType.Int32 or MetadataType.Float32 => 4,
        MetadataType.UInt64 or MetadataType.Int64 or MetadataType.Float64 => 8,
        _ => 0,
    };

    internal bool TryAdd(string key, Entry entry)
    {
        if (!entries.TryAdd(key, entry)) return false;
        keys.Add(key);
        return true;
    }

    internal void Refuse(string key, ModelFileException why) => refused[key] = why;

    /// <summary>The value as it is encoded in the file, for copying it to another.</summary>
    internal ReadOnlySpan<byte> Encoded(string key)
    {
        var e = Require(key);
        return file.Span(e.Start, (int)(e.End - e.Start)); // a header is shorter than 2^31 (Limits.HeaderBytes)
    }

    /// <summary>Where <paramref name="key"/>'s value lies, for messages.</summary>
    internal long OffsetOf(string key) => Require(key).Start;

    // Appends one value and returns where the next one starts. Stops early once there is more text than will be shown: then
    // so do the callers, and the returned place is not used.
    private long Append(StringBuilder text, string key, MetadataType type, long at, long end, int longest)
    {
        switch (type)
        {
            case MetadataType.String:
                var bytes = StringAt(key, at, end, out var next);
                text.Append(Encoding.UTF8.GetString(bytes[..(int)Math.Min(bytes.Length, 4L * longest)])); // 4 bytes a character at most
                if (bytes.Length > 4L * longest) text.Append('…');
                return next;
            case MetadataType.Array:
                var element = (MetadataType)BinaryPrimitives.ReadUInt32LittleEndian(file.Span(at, 4));
                var count = BinaryPrimitives.ReadUInt64LittleEndian(file.Span(at + 4, 8));
                text.Append('[').Append(count).Append(" × ").Append(element);
                at += 12;
                for (var i = 0UL; i < count && text.Length <= longest; i++)
                {
                    text.Append(i == 0 ? ": " : ", ");
                    at = Append(text, key, element, at, end, longest);
                }
                text.Append(']');
                return at;
            case MetadataType.Bool:
                text.Append(file.Span(at, 1)[0] != 0 ? "true" : "false");
                return at + 1;
            case MetadataType.Float32:
                text.Append((float)Float(type, at));
                return at + 4;
            case MetadataType.Float64:
                text.Append(Float(type, at));
                return at + 8;
            default:
                text.Append(Integer(type, at));
                return at + ScalarBytes(type);
        }
    }

    private static long ElementsOf(Entry e) => e.Start + 12;

    // The bytes of the string whose length stands at `at`, and where the next value starts. Lengths were checked when the
    // header was read; they are checked again because another program may have written to the file since.
    private ReadOnlySpan<byte> StringAt(string key, long at, long end, out long next)
    {
        var length = at <= end - 8 ? BinaryPrimitives.ReadUInt64LittleEndian(file.Span(at, 8)) : ulong.MaxValue;
        if (length > (ulong)Math.Max(0, end - at - 8))
            ModelFileException.Throw("metadata", file.Path, key, at, "the string that was there when the file was opened", "another", ChangedAdvice);
        next = at + 8 + (long)length;
        return file.Span(at + 8, (int)length);
    }

    private Entry Require(string key)
    {
        if (refused.TryGetValue(key, out var why)) throw new ModelFileException(why);
        if (!entries.TryGetValue(key, out var e))
            ModelFileException.Throw("metadata has no key", file.Path, key, expected: "a value for it", found: "none", advice: MissingAdvice);
        return e;
    }

    // An empty array may be of any type: converters that have no element to look at guess one.
    private Entry RequireArray(string key, string expected, Predicate<MetadataType> isElement)
    {
        var e = Require(key);
        if (e.Type != MetadataType.Array || (e.Count > 0 && !isElement(e.Element))) Wrong(key, e, expected);
        return e;
    }

    [DoesNotReturn]
    private void Wrong(string key, Entry e, string expected) => ModelFileException.Throw("metadata", file.Path, key, e.Start, expected,
        e.Type == MetadataType.Array ? $"an array of {e.Element}" : $"a value of type {e.Type}", WrongAdvice);

    private static bool IsInteger(MetadataType type) => type is MetadataType.UInt8 or MetadataType.Int8 or MetadataType.UInt16
        or MetadataType.Int16 or MetadataType.UInt32 or MetadataType.Int32 or MetadataType.UInt64 or MetadataType.Int64;

    private double Float(MetadataType type, long offset) => type == MetadataType.Float32
        ? BinaryPrimitives.ReadSingleLittleEndian(file.Span(offset, 4))
        : BinaryPrimitives.ReadDoubleLittleEndian(file.Span(offset, 8));

    private long Integer(string key, MetadataType type, long offset, long min, long max)
    {
        var value = Integer(type, offset);
        if (value < min || value > max)
            ModelFileException.Throw("metadata", file.Path, key, offset, $"an integer from {min} to {max}", value.ToString(), WrongAdvice);
        return (long)value;
    }

    // 128 bits hold every integer type, so that no value wraps or saturates before its range is checked.
    private Int128 Integer(MetadataType type, long offset)
    {
        var bytes = file.Span(offset, ScalarBytes(type));
        return type switch
        {
            MetadataType.UInt8 => bytes[0],
            MetadataType.Int8 => (sbyte)bytes[0],
            MetadataType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes),
            MetadataType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(bytes),
            MetadataType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes),
            MetadataType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(bytes),
            MetadataType.UInt64 => BinaryPrimitives.ReadUInt64LittleEndian(bytes),
            _ => BinaryPrimitives.ReadInt64LittleEndian(bytes),
        };
    }
}
