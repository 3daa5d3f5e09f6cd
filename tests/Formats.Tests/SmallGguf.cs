using System.Buffers.Binary;
using System.Text;

namespace WarpDecode.Formats.Tests;

/// <summary>
/// A small good GGUF file with metadata of every type, three tensors and an alignment of 64, and the means to damage a copy
/// of it at a named place.
/// </summary>
internal static class SmallGguf
{
    private static readonly byte[] Whole = TempFile.Bytes(new GgufWriter("test")
        .Add("general.alignment", 64u)
        .Add("x.u8", (byte)200)
        .Add("x.i8", (sbyte)-100)
        .Add("x.u16", (ushort)50_000)
        .Add("x.i16", (short)-30_000)
        .Add("x.u32", 4_000_000_000u)
        .Add("x.i32", -2_000_000_000)
        .Add("x.u64", ulong.MaxValue)
        .Add("x.i64", long.MinValue)
        .Add("x.f32", 1.5f)
        .Add("x.f64", -0.1)
        .Add("x.bool", true)
        .Add("a.i32", new[] { 1, -2, 3 })
        .Add("a.bool", new[] { true, false, true })
        .Add("a.string", new[] { "one", "", "drei" })
        .Add("a.nested", MetadataType.Array, Nested())
        .Add("a.empty", Array.Empty<string>())
        .Add("z.string", "last") // the tensors follow: see the row 'one metadata entry fewer' of HostileHeaderTests
        .Add("w.q8", WeightType.Q8_0, [2, 32], s => s.Write(Data(68)))
        .Add("w.f32", WeightType.F32, [3], s => s.Write(Data(12)))
        .Add("w.f16", WeightType.F16, [2, 3, 4], s => s.Write(Data(48))));

    /// <summary>A fresh copy of the whole file.</summary>
    public static byte[] Bytes => [.. Whole];

    /// <summary>Where the last tensor's data ends; what follows is padding, which a file may lack.</summary>
    public static int DataEnd => DataStart + 192 + 48;

    /// <summary>Where the header ends and padding to the alignment begins.</summary>
    public static int HeaderEnd => TensorOffset("w.f16") + 8;

    public static int DataStart => (HeaderEnd + 63) / 64 * 64;

    /// <summary>Where the length of a key or of a tensor's name stands.</summary>
    public static int Name(string name)
    {
        var needle = new byte[8 + name.Length];
        BinaryPrimitives.WriteInt64LittleEndian(needle, name.Length);
        Encoding.ASCII.GetBytes(name, needle.AsSpan(8));
        var at = Whole.AsSpan().IndexOf(needle);
        return at >= 0 ? at : throw new ArgumentException($"'{name}' is not in the file", nameof(name));
    }

    /// <summary>Where the type of a metadata value stands.</summary>
    public static int Type(string key) => Name(key) + 8 + key.Length;

    /// <summary>Where a metadata value stands: of a string its length, of an array its element type.</summary>
    public static int Value(string key) => Type(key) + 4;

    /// <summary>Where a tensor's number of dimensions stands.</summary>
    public static int Dimensions(string tensor) => Name(tensor) + 8 + tensor.Length;

    /// <summary>Where a tensor's size stands, innermost first.</summary>
    public static int Size(string tensor, int i) => Dimensions(tensor) + 4 + (8 * i);

    public static int WeightTypeOf(string tensor) => Size(tensor, BitConverter.ToInt32(Whole, Dimensions(tensor)));

    public static int TensorOffset(string tensor) => WeightTypeOf(tensor) + 4;

    // Damage, each from a fresh copy or from what another made.
    public static byte[] Cut(int length) => Bytes[..length];

    public static byte[] U8(int at, byte value, byte[]? from = null) => Put(at, [value], from);

    public static byte[] U32(int at, uint value, byte[]? from = null) => Put(at, BitConverter.GetBytes(value), from);

    public static byte[] U64(int at, ulong value, byte[]? from = null) => Put(at, BitConverter.GetBytes(value), from);

    public static byte[] Text(int at, string value) => Put(at, Encoding.ASCII.GetBytes(value), null);

    public static byte[] Insert(int at, params byte[] bytes) => [.. Whole[..at], .. bytes, .. Whole[at..]];

    private static byte[] Put(int at, byte[] value, byte[]? from)
    {
        var bytes = from ?? Bytes;
        value.CopyTo(bytes, at);
        return bytes;
    }

    // [[7, 8], ["x"]]
    private static byte[] Nested()
    {
        using var memory = new MemoryStream();
        using var w = new BinaryWriter(memory);
        Array(MetadataType.Array, 2);
        Array(MetadataType.UInt8, 2);
        w.Write((byte)7);
        w.Write((byte)8);
        Array(MetadataType.String, 1);
        w.Write(1UL);
        w.Write((byte)'x');
        return memory.ToArray();

        void Array(MetadataType element, ulong count)
        {
            w.Write((uint)element);
            w.Write(count);
        }
    }

    // No two bytes in a row are equal, and zeros are rare: misplaced reads show.
    private static byte[] Data(int length) => [.. Enumerable.Range(0, length).Select(i => (byte)((i * 37) + 11))];
}
