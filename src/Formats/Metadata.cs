using System.Buffers.Binary;
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
public sealed unsafe class Metadata
{
    private readonly string path;
    private readonly byte* file;
    private readonly List<string> keys = [];
    private readonly Dictionary<string, Entry> entries = new(StringComparer.Ordinal);

    internal Metadata(string path, byte* file)
    {
        this.path = path;
        this.file = file;
    }

    /// <summary>A value where it lies: <c>Offset</c> is that of the scalar, of a string's bytes or of an array's first element.</summary>
    internal readonly record struct Entry(MetadataType Type, long Offset, long Length, MetadataType Element);

    /// <summary>Keys in the file's own order.</summary>
    public IReadOnlyList<string> Keys => keys;

    /// <summary>Whether the file has <paramref name="key"/>.</summary>
    public bool Contains(string key) => entries.ContainsKey(key);

    /// <summary>Type of the value of <paramref name="key"/>, and for arrays the type of its elements and their number.</summary>
    /// <exception cref="ModelFileException">The key is missing.</exception>
    public (MetadataType Type, MetadataType Element, long Count) Describe(string key)
    {
        var e = Require(key);
        return (e.Type, e.Element, e.Type == MetadataType.Array ? e.Length : 1);
    }

    /// <summary>An integer, from any integer type that holds it, as a value between <paramref name="min"/> and <paramref name="max"/>.</summary>
    /// <exception cref="ModelFileException">Missing, not an integer, or out of range.</exception>
    public long GetInteger(string key, long min = long.MinValue, long max = long.MaxValue)
    {
        var e = Require(key);
        if (!TryInteger(e.Type, e.Offset, out var value)) Wrong(key, e, "an integer");
        if (value < min || value > max)
            ModelFileException.Throw("metadata", path, key, e.Offset, $"an integer from {min} to {max}", value.ToString());
        return value;
    }

    /// <inheritdoc cref="GetInteger(string, long, long)"/>
    public int GetInt32(string key, int min = 0, int max = int.MaxValue) => (int)GetInteger(key, min, max);

    /// <summary>A number of any numeric type.</summary>
    /// <exception cref="ModelFileException">Missing, not a number, or not finite.</exception>
    public double GetNumber(string key)
    {
        var e = Require(key);
        double value;
        if (e.Type == MetadataType.Float32) value = BinaryPrimitives.ReadSingleLittleEndian(Span(e.Offset, 4));
        else if (e.Type == MetadataType.Float64) value = BinaryPrimitives.ReadDoubleLittleEndian(Span(e.Offset, 8));
        else if (TryInteger(e.Type, e.Offset, out var integer)) value = integer;
        else { Wrong(key, e, "a number"); value = 0; }
        if (!double.IsFinite(value)) ModelFileException.Throw("metadata", path, key, e.Offset, "a finite number", value.ToString());
        return value;
    }

    /// <summary>A truth value.</summary>
    /// <exception cref="ModelFileException">Missing or of another type.</exception>
    public bool GetBool(string key)
    {
        var e = Require(key);
        if (e.Type != MetadataType.Bool) Wrong(key, e, "a bool");
        return file[e.Offset] != 0;
    }

    /// <summary>A text (invalid UTF-8 is shown by replacement characters).</summary>
    /// <exception cref="ModelFileException">Missing or of another type.</exception>
    public string GetString(string key)
    {
        var e = Require(key);
        if (e.Type != MetadataType.String) Wrong(key, e, "a string");
        return Encoding.UTF8.GetString(Span(e.Offset, (int)e.Length));
    }

    /// <summary>An array of texts.</summary>
    /// <exception cref="ModelFileException">Missing or of another type.</exception>
    public string[] GetStrings(string key)
    {
        var e = RequireArray(key, "an array of strings");
        if (e.Element != MetadataType.String && e.Length > 0) Wrong(key, e, "an array of strings");
        var result = new string[e.Length];
        var at = e.Offset;
        for (var i = 0; i < result.Length; i++)
        {
            var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(Span(at, 8)); // checked when the header was read
            result[i] = Encoding.UTF8.GetString(Span(at + 8, length));
            at += 8 + length;
        }
        return result;
    }

    /// <summary>An array of integers of any integer type, or a single integer as an array of one.</summary>
    /// <exception cref="ModelFileException">Missing or of another type.</exception>
    public long[] GetIntegers(string key)
    {
        var e = Require(key);
        if (TryInteger(e.Type, e.Offset, out var single)) return [single];
        if (e.Type != MetadataType.Array || (e.Length > 0 && !IsInteger(e.Element))) Wrong(key, e, "an array of integers");
        var result = new long[e.Length];
        var size = e.Length > 0 ? Gguf.ScalarBytes(e.Element) : 0;
        for (var i = 0; i < result.Length; i++) TryInteger(e.Element, e.Offset + ((long)i * size), out result[i]);
        return result;
    }

    /// <summary>An array of 32-bit floats.</summary>
    /// <exception cref="ModelFileException">Missing or of another type.</exception>
    public float[] GetSingles(string key)
    {
        var e = RequireArray(key, "an array of float32");
        if (e.Element != MetadataType.Float32 && e.Length > 0) Wrong(key, e, "an array of float32");
        var result = new float[e.Length];
        for (var i = 0; i < result.Length; i++) result[i] = BinaryPrimitives.ReadSingleLittleEndian(Span(e.Offset + (4L * i), 4));
        return result;
    }

    /// <summary>A value in words, for listings: long texts and arrays are cut to about <paramref name="longest"/> characters.</summary>
    public string Show(string key, int longest = 80)
    {
        var e = Require(key);
        var text = e.Type switch
        {
            MetadataType.String => GetString(key),
            MetadataType.Bool => GetBool(key) ? "true" : "false",
            MetadataType.Float32 or MetadataType.Float64 => NumberOrNonFinite(e),
            MetadataType.Array => $"[{e.Length} × {e.Element}]",
            _ => GetInteger(key).ToString(),
        };
        text = ModelFileException.Printable(text.Replace('\n', '⏎'));
        return text.Length <= longest ? text : text[..longest] + "…";
    }

    internal bool TryAdd(string key, Entry entry)
    {
        if (!entries.TryAdd(key, entry)) return false;
        keys.Add(key);
        return true;
    }

    private string NumberOrNonFinite(Entry e) => e.Type == MetadataType.Float32
        ? BinaryPrimitives.ReadSingleLittleEndian(Span(e.Offset, 4)).ToString()
        : BinaryPrimitives.ReadDoubleLittleEndian(Span(e.Offset, 8)).ToString();

    private ReadOnlySpan<byte> Span(long offset, int length) => new(file + offset, length);

    private Entry Require(string key)
    {
        if (!entries.TryGetValue(key, out var e))
            ModelFileException.Throw("metadata has no key", path, key, advice: "The file is incomplete for this model type: convert or download it again.");
        return e;
    }

    private Entry RequireArray(string key, string expected)
    {
        var e = Require(key);
        if (e.Type != MetadataType.Array) Wrong(key, e, expected);
        return e;
    }

    private void Wrong(string key, Entry e, string expected) => ModelFileException.Throw(
        "metadata", path, key, e.Offset, expected, e.Type == MetadataType.Array ? $"an array of {e.Element}" : $"a value of type {e.Type}");

    private static bool IsInteger(MetadataType type) => type is MetadataType.UInt8 or MetadataType.Int8 or MetadataType.UInt16
        or MetadataType.Int16 or MetadataType.UInt32 or MetadataType.Int32 or MetadataType.UInt64 or MetadataType.Int64;

    // Unsigned 64-bit values above long.MaxValue are saturated: every caller's range check then refuses them.
    private bool TryInteger(MetadataType type, long offset, out long value)
    {
        value = type switch
        {
            MetadataType.UInt8 => file[offset],
            MetadataType.Int8 => (sbyte)file[offset],
            MetadataType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(Span(offset, 2)),
            MetadataType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(Span(offset, 2)),
            MetadataType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(Span(offset, 4)),
            MetadataType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(Span(offset, 4)),
            MetadataType.UInt64 => (long)Math.Min(BinaryPrimitives.ReadUInt64LittleEndian(Span(offset, 8)), long.MaxValue),
            MetadataType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(Span(offset, 8)),
            _ => 0,
        };
        return IsInteger(type);
    }
}
