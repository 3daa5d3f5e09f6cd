using System.Buffers.Binary;
using System.Collections.ObjectModel;
using System.Text;

namespace WarpDecode.Formats;

/// <summary>
/// A GGUF file, versions 2 and 3, little-endian, mapped without a copy.
/// Layout (GGUF specification, ggml/docs/gguf.md):
/// <code>
/// magic "GGUF" · u32 version · u64 tensors · u64 entries
/// entries × { string key · u32 type · value }                  string = u64 bytes · UTF-8
/// tensors × { string name · u32 dims · u64 size[dims], innermost first · u32 type · u64 offset from data }
/// padding to general.alignment · data
/// </code>
/// The header is hostile until checked: every length is compared with what remains before it is used.
/// </summary>
internal sealed unsafe class Gguf : ModelFile
{
    private const uint Magic = 0x46554747; // "GGUF" read as a little-endian u32
    private const uint DefaultAlignment = 32;
    private const string BrokenAdvice = "The file is damaged or incomplete: download or convert it again and compare its size and checksum.";

    private readonly MappedFile file;
    private readonly List<TensorView> tensors = [];
    private readonly Dictionary<string, TensorView> byName = new(StringComparer.Ordinal);
    private readonly Metadata metadata;
    private readonly uint version;

    public Gguf(string path)
        : base(path)
    {
        file = new MappedFile(path);
        try
        {
            metadata = new Metadata(path, file.Start);
            var reader = new Reader(file);
            version = ReadMagicAndVersion(ref reader);
            var tensorCount = reader.U64("tensor count");
            var entryCount = reader.U64("metadata count");
            // A tensor takes at least 32 bytes of header (name of 0, 1 dimension), an entry at least 13.
            CheckCount(tensorCount, Limits.Tensors, 32, "tensor count", reader);
            CheckCount(entryCount, Limits.MetadataEntries, 13, "metadata count", reader);
            for (var i = 0UL; i < entryCount; i++) ReadEntry(ref reader);
            var alignment = ReadAlignment();
            ReadTensors(ref reader, (int)tensorCount, alignment);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public override string Format => $"GGUF v{version}";

    public override long Length => file.Length;

    public override Metadata Metadata => metadata;

    public override IReadOnlyList<TensorView> Tensors => new ReadOnlyCollection<TensorView>(tensors);

    public override TensorView? Find(string name) => byName.GetValueOrDefault(name);

    /// <summary>Bytes of a metadata scalar; 0 for strings, arrays and unknown types.</summary>
    public static int ScalarBytes(MetadataType type) => type switch
    {
        MetadataType.UInt8 or MetadataType.Int8 or MetadataType.Bool => 1,
        MetadataType.UInt16 or MetadataType.Int16 => 2,
        MetadataType.UInt32 or MetadataType.Int32 or MetadataType.Float32 => 4,
        MetadataType.UInt64 or MetadataType.Int64 or MetadataType.Float64 => 8,
        _ => 0,
    };

    private protected override void Dispose(bool disposing) => file.Dispose();

    private static uint ReadMagicAndVersion(ref Reader reader)
    {
        var magic = reader.U32("magic");
        if (magic != Magic)
        {
            reader.Fail("not a GGUF file", 0, "the letters GGUF", Hex(magic),
                magic == BinaryPrimitives.ReverseEndianness(Magic)
                    ? "The file is big-endian: convert it on a little-endian machine."
                    : "Give a .gguf file; other formats are converted first.");
        }
        var number = reader.U32("version");
        if (number is 2 or 3) return number;
        if (number == 1)
            reader.Fail("GGUF version", 4, "version 2 or 3", "version 1", "Version 1 was withdrawn in 2023: convert the model again with a current converter.");
        // A big-endian file has a byte-swapped version, since its magic is bytes and not a number.
        if (BinaryPrimitives.ReverseEndianness(number) is 1 or 2 or 3)
            reader.Fail("GGUF byte order", 4, "a little-endian file", "a big-endian one", "Convert the model again on a little-endian machine.");
        reader.Fail("GGUF version", 4, "version 2 or 3", $"version {number}", "The file is damaged or newer than this runtime.");
        return 0;
    }

    private static string Hex(uint magic)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, magic);
        return "bytes " + Convert.ToHexString(bytes);
    }

    private static void CheckCount(ulong count, ulong limit, ulong bytesEach, string what, Reader reader)
    {
        if (count > limit) reader.Fail(what, reader.Offset, $"at most {limit}", count.ToString(), BrokenAdvice);
        if (count > (ulong)reader.Remaining / bytesEach)
            reader.Fail(what, reader.Offset, $"at most {(ulong)reader.Remaining / bytesEach}, for {reader.Remaining} bytes remain", count.ToString(), BrokenAdvice);
    }

    private void ReadEntry(ref Reader reader)
    {
        var start = reader.Offset;
        var key = reader.Text("metadata key", Limits.KeyBytes);
        reader.Item = key;
        var type = ReadType(ref reader);
        var entry = type switch
        {
            MetadataType.Array => ReadArray(ref reader, depth: 1),
            MetadataType.String => reader.Skip(reader.Length("string length", Limits.StringBytes), MetadataType.String),
            _ => reader.Skip(ScalarBytes(type), type),
        };
        if (type == MetadataType.Bool && file.Start[entry.Offset] > 1)
            reader.Fail("metadata bool", entry.Offset, "0 or 1", file.Start[entry.Offset].ToString(), BrokenAdvice);
        if (!metadata.TryAdd(key, entry)) reader.Fail("metadata key occurs twice", start, null, null, BrokenAdvice);
        reader.Item = null;
    }

    private static MetadataType ReadType(ref Reader reader)
    {
        var at = reader.Offset;
        var type = reader.U32("value type");
        if (type > (uint)MetadataType.Float64) reader.Fail("metadata value type", at, "0 to 12", type.ToString(), BrokenAdvice);
        return (MetadataType)type;
    }

    private static Metadata.Entry ReadArray(ref Reader reader, int depth)
    {
        var element = ReadType(ref reader);
        var at = reader.Offset;
        var count = reader.U64("array length");
        if (count > Limits.ArrayElements) reader.Fail("metadata array length", at, $"at most {Limits.ArrayElements}", count.ToString(), BrokenAdvice);
        var start = reader.Offset;
        if (element is MetadataType.String or MetadataType.Array)
        {
            CheckCount(count, Limits.ArrayElements, 8, "metadata array length", reader);
            if (element == MetadataType.Array && depth >= Limits.ArrayDepth)
                reader.Fail("metadata arrays within arrays", at, $"at most {Limits.ArrayDepth} levels", "more", BrokenAdvice);
            for (var i = 0UL; i < count; i++)
            {
                if (element == MetadataType.String) reader.Skip(reader.Length("string length", Limits.StringBytes), element);
                else ReadArray(ref reader, depth + 1);
            }
        }
        else
        {
            reader.Skip((long)count * ScalarBytes(element), element); // at most 2^26 × 8: no overflow
        }
        return new Metadata.Entry(MetadataType.Array, start, (long)count, element);
    }

    private uint ReadAlignment()
    {
        const string key = "general.alignment";
        if (!metadata.Contains(key)) return DefaultAlignment;
        var alignment = (uint)metadata.GetInteger(key, 1, Limits.Alignment);
        if ((alignment & (alignment - 1)) != 0)
            ModelFileException.Throw("metadata", Path, key, null, "a power of two", alignment.ToString(), BrokenAdvice);
        return alignment;
    }

    private void ReadTensors(ref Reader reader, int count, uint alignment)
    {
        var infos = new List<TensorInfo>(count);
        for (var i = 0; i < count; i++) infos.Add(ReadTensorInfo(ref reader, alignment));
        reader.Item = null;

        var dataStart = (reader.Offset + alignment - 1) / alignment * alignment;
        foreach (var info in infos)
        {
            var offset = (ulong)dataStart + info.Offset;
            if (offset < info.Offset || offset > (ulong)file.Length || (ulong)info.Bytes > (ulong)file.Length - offset)
            {
                ModelFileException.Throw("tensor data of", Path, info.Name, (long)Math.Min(offset, long.MaxValue),
                    $"{info.Bytes} bytes within the file", $"{Math.Max(0, file.Length - (long)Math.Min(offset, long.MaxValue))} bytes before its end", BrokenAdvice);
            }
            var view = new TensorView(info.Name, info.Type, info.Shape, (long)offset, info.Bytes, file.Start + offset);
            if (!byName.TryAdd(info.Name, view)) ModelFileException.Throw("tensor occurs twice:", Path, info.Name, info.HeaderOffset, advice: BrokenAdvice);
            tensors.Add(view);
        }
        CheckOverlap();
    }

    private void CheckOverlap()
    {
        var sorted = tensors.Where(t => t.Bytes > 0).OrderBy(t => t.Offset).ToList();
        for (var i = 1; i < sorted.Count; i++)
        {
            var (before, tensor) = (sorted[i - 1], sorted[i]);
            if (tensor.Offset < before.Offset + before.Bytes)
            {
                ModelFileException.Throw("tensor data of", Path, tensor.Name, tensor.Offset,
                    $"data after that of '{ModelFileException.Printable(before.Name)}', which ends at {before.Offset + before.Bytes}", "an overlap", BrokenAdvice);
            }
        }
    }

    private readonly record struct TensorInfo(string Name, WeightType Type, long[] Shape, long Bytes, ulong Offset, long HeaderOffset);

    private static TensorInfo ReadTensorInfo(ref Reader reader, uint alignment)
    {
        reader.Item = null;
        var header = reader.Offset;
        var name = reader.Text("tensor name", Limits.TensorNameBytes);
        reader.Item = name;
        var at = reader.Offset;
        var dimensions = reader.U32("dimensions");
        if (dimensions > Limits.Dimensions) reader.Fail("number of dimensions of tensor", at, $"at most {Limits.Dimensions}", dimensions.ToString(), BrokenAdvice);

        var shape = new long[dimensions];
        var sizesAt = reader.Offset;
        UInt128 values = 1;
        for (var i = 0; i < shape.Length; i++)
        {
            at = reader.Offset;
            var size = reader.U64("size");
            if (size > long.MaxValue) reader.Fail("size of tensor", at, "at most 2^63 - 1", size.ToString(), BrokenAdvice);
            shape[^(i + 1)] = (long)size; // the file lists the innermost size first; we hold rows × columns
            values *= size;
            if (values > long.MaxValue / 8) reader.Fail("sizes of tensor", sizesAt, "a number of weights below 2^60", "more", BrokenAdvice);
        }

        at = reader.Offset;
        var type = (WeightType)reader.U32("weight type");
        if (!type.IsKnown())
            reader.Fail("weight type of tensor", at, "a type of the GGUF specification", $"type {(uint)type}", "The file is damaged, or its type is newer than this runtime or was withdrawn.");
        var columns = shape.Length > 0 ? shape[^1] : 1;
        if (columns % type.BlockValues() != 0)
            reader.Fail("row length of tensor", sizesAt, $"a multiple of {type.BlockValues()} for {type}", columns.ToString(), BrokenAdvice);

        at = reader.Offset;
        var offset = reader.U64("data offset");
        if (offset % alignment != 0) reader.Fail("data offset of tensor", at, $"a multiple of {alignment}", offset.ToString(), BrokenAdvice);
        var bytes = (UInt128)((long)values / type.BlockValues()) * (uint)type.BlockBytes();
        if (bytes > long.MaxValue) reader.Fail("sizes of tensor", sizesAt, "a size below 2^63 bytes", "more", BrokenAdvice);
        return new TensorInfo(name, type, shape, (long)bytes, offset, header);
    }

    /// <summary>Reads forward through the map; every read is checked against what remains and says what was being read.</summary>
    private struct Reader(MappedFile file)
    {
        private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

        /// <summary>Tensor or key being read, for messages.</summary>
        public string? Item { get; set; }

        public long Offset { get; private set; }

        public readonly long Remaining => file.Length - Offset;

        public uint U32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(4, what));

        public ulong U64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Take(8, what));

        /// <summary>A length in bytes, at most <paramref name="limit"/> and at most what remains after it.</summary>
        public long Length(string what, ulong limit)
        {
            var at = Offset;
            var length = U64(what);
            if (length > limit) Fail(what, at, $"at most {limit} bytes", length.ToString(), BrokenAdvice);
            if (length > (ulong)Remaining) Fail(what, at, $"at most {Remaining} bytes, for no more remain", length.ToString(), BrokenAdvice);
            return (long)length;
        }

        public string Text(string what, ulong limit)
        {
            var length = Length(what, limit);
            var at = Offset;
            try
            {
                return Strict.GetString(Take((int)length, what));
            }
            catch (DecoderFallbackException)
            {
                Fail(what, at, "valid UTF-8", "other bytes", BrokenAdvice);
                return "";
            }
        }

        public Metadata.Entry Skip(long length, MetadataType type)
        {
            if (length > Remaining) Fail("metadata value", Offset, $"{length} bytes", $"{Remaining} bytes before the end of the file", BrokenAdvice);
            var entry = new Metadata.Entry(type, Offset, length, default);
            Offset += length;
            return entry;
        }

        public readonly void Fail(string what, long offset, string? expected, string? found, string advice) =>
            ModelFileException.Throw(Item is null ? what : what + " of", file.Path, Item, offset, expected, found, advice);

        private ReadOnlySpan<byte> Take(int length, string what)
        {
            if (length > Remaining) Fail(what, Offset, $"{length} bytes", $"{Remaining} bytes before the end of the file", BrokenAdvice);
            var span = new ReadOnlySpan<byte>(file.Start + Offset, length);
            Offset += length;
            return span;
        }
    }
}
