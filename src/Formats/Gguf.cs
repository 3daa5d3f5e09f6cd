using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
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
/// The header is hostile until checked: every length is compared with what remains before it is used, and nothing is
/// allocated for an announced item before the item itself was found in the file.
/// </summary>
internal sealed unsafe class Gguf : ModelFile
{
    private const uint Magic = 0x46554747; // "GGUF" read as a little-endian u32
    private const uint DefaultAlignment = 32;
    private const ulong SmallestEntry = 8 + 4 + 1; // empty key, type, a byte
    private const ulong SmallestTensor = 8 + 4 + 4 + 8; // empty name, no dimensions, type, offset
    private const string AlignmentKey = "general.alignment";
    private const string BrokenAdvice = "The file is damaged or incomplete: download or convert it again and compare its size and checksum.";

    private readonly MappedFile file;
    private readonly List<TensorView> tensors = [];
    private readonly Dictionary<string, int> byName = new(StringComparer.Ordinal); // places in `tensors`
    private readonly Metadata metadata;
    private readonly uint version;

    /// <summary>Reads what is mapped, and takes it over.</summary>
    /// <param name="mapped">The file.</param>
    /// <param name="headerBytes">Most bytes that its header may take.</param>
    public Gguf(MappedFile mapped, long headerBytes = Limits.HeaderBytes)
        : base(mapped.Path)
    {
        file = mapped;
        try
        {
            metadata = new Metadata(file);
            Tensors = tensors.AsReadOnly();
            var reader = new Reader(file, headerBytes);
            version = ReadMagicAndVersion(reader);
            var tensorCount = reader.Count("tensor count", Limits.Tensors, SmallestTensor);
            var entryCount = reader.Count("metadata count", Limits.MetadataEntries, SmallestEntry);
            for (var i = 0UL; i < entryCount; i++) ReadEntry(reader);
            ReadTensors(reader, tensorCount, ReadAlignment());
            HeaderBytes = reader.Offset;
            Shards = [new ModelShard(Path, Length, tensors.Count)];
            file.CheckWhole();
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public override string Format => $"GGUF v{version}";

    public override long Length => file.Length;

    /// <summary>Bytes before the tensors' data.</summary>
    public long HeaderBytes { get; }

    public override IReadOnlyList<ModelShard> Shards { get; }

    public override Metadata Metadata => metadata;

    public override IReadOnlyList<TensorView> Tensors { get; }

    /// <summary>Opens a file, or a split model by any of its shards.</summary>
    public static new ModelFile Open(string path)
    {
        var opened = new Gguf(new MappedFile(path));
        try
        {
            return GgufShard.Of(opened) is { Count: > 1 } shard ? new SplitGguf(opened, shard) : opened;
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    public override TensorView? Find(string name) => byName.TryGetValue(name, out var i) ? tensors[i] : null;

    internal override void CheckWhole() => file.CheckWhole();

    private protected override void Dispose(bool disposing) => file.Dispose();

    private static uint ReadMagicAndVersion(Reader reader)
    {
        var magic = reader.U32("magic number");
        if (magic != Magic)
        {
            var bytes = new byte[4];
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, magic);
            var advice = magic == BinaryPrimitives.ReverseEndianness(Magic)
                ? "The file is big-endian: convert the model again on a little-endian machine."
                : "This is not a GGUF file: give a .gguf file, or convert the model to one.";
            reader.Fail("magic number", 0, "the letters GGUF", "bytes " + Convert.ToHexString(bytes), advice);
        }
        var number = reader.U32("version");
        if (number is 2 or 3) return number;
        if (number == 1)
            reader.Fail("GGUF version", 4, "version 2 or 3", "version 1", "Version 1 was withdrawn in 2023: convert the model again with a current converter.");
        // A big-endian file has a byte-swapped version, since its magic is bytes and not a number.
        if (BinaryPrimitives.ReverseEndianness(number) is 1 or 2 or 3)
            reader.Fail("byte order", 4, "a little-endian file", "a big-endian one", "Convert the model again on a little-endian machine.");
        reader.Fail("GGUF version", 4, "version 2 or 3", $"version {number}", "The file is damaged or newer than this runtime.");
        return 0;
    }

    private void ReadEntry(Reader reader)
    {
        reader.About("", null);
        var at = reader.Offset;
        var key = reader.Text("metadata key", Limits.KeyBytes);
        reader.About("metadata", key);
        if (metadata.Contains(key)) reader.Fail("key", at, "a key of its own", "a key that occurred before", BrokenAdvice);
        var type = ReadType(reader);
        var start = reader.Offset;
        var (element, count) = ReadValue(reader, type, depth: 0);
        metadata.TryAdd(key, new Metadata.Entry(type, start, reader.Offset, element, count));
        reader.About("", null);
    }

    private static MetadataType ReadType(Reader reader)
    {
        var at = reader.Offset;
        var type = reader.U32("value type");
        if (type > (uint)MetadataType.Float64)
            reader.Fail("value type", at, "a type from 0 to 12", type.ToString(), "The file is damaged or newer than this runtime.");
        return (MetadataType)type;
    }

    // Walks over one value, checking it, and leaves it in the map; says of arrays what and how many their elements are.
    private static (MetadataType Element, long Count) ReadValue(Reader reader, MetadataType type, int depth)
    {
        if (type == MetadataType.Array) return ReadArray(reader, depth + 1);
        if (type == MetadataType.String) reader.Skip(reader.Length("string length", Limits.StringBytes), "string");
        else if (type == MetadataType.Bool) CheckBools(reader, 1);
        else reader.Skip(Metadata.ScalarBytes(type), "value");
        return (default, 1);
    }

    private static (MetadataType Element, long Count) ReadArray(Reader reader, int depth)
    {
        var at = reader.Offset;
        var element = ReadType(reader);
        if (element == MetadataType.Array && depth == Limits.ArrayDepth)
            reader.Fail("arrays within arrays", at, $"at most {Limits.ArrayDepth} levels", "more", BrokenAdvice);
        var size = element switch
        {
            MetadataType.String => 8, // its length
            MetadataType.Array => 12, // its element type and count
            _ => Metadata.ScalarBytes(element),
        };
        var count = (long)reader.Count("array length", Limits.ArrayElements, (ulong)size);
        if (element == MetadataType.Bool) CheckBools(reader, count);
        else if (element is MetadataType.String or MetadataType.Array)
            for (var i = 0L; i < count; i++) ReadValue(reader, element, depth);
        else reader.Skip(count * size, "array"); // at most 2^26 × 8: no overflow
        return (element, count);
    }

    private static void CheckBools(Reader reader, long count)
    {
        var at = reader.Offset;
        var bools = reader.Take((int)count, "bool"); // at most 2^26
        var wrong = bools.IndexOfAnyExceptInRange((byte)0, (byte)1);
        if (wrong >= 0) reader.Fail("bool", at + wrong, "0 or 1", bools[wrong].ToString(), BrokenAdvice);
    }

    private uint ReadAlignment()
    {
        if (!metadata.Contains(AlignmentKey)) return DefaultAlignment;
        var alignment = (uint)metadata.GetInteger(AlignmentKey, 1, Limits.Alignment);
        if (!uint.IsPow2(alignment))
            ModelFileException.Throw("metadata", Path, AlignmentKey, metadata.OffsetOf(AlignmentKey), "a power of two", alignment.ToString(), BrokenAdvice);
        return alignment;
    }

    private void ReadTensors(Reader reader, ulong count, uint alignment)
    {
        var infos = new List<TensorInfo>(); // grows as tensors are found: a lying count allocates nothing
        for (var i = 0UL; i < count; i++) infos.Add(ReadTensorInfo(reader, alignment));

        var dataStart = (reader.Offset + alignment - 1) / alignment * alignment;
        foreach (var info in infos)
        {
            // No overflow: ReadTensorInfo saw that each of the two is within the file's length.
            var offset = dataStart + info.Offset;
            if (info.Bytes > file.Length - offset)
            {
                ModelFileException.Throw("data of tensor", Path, info.Name, offset,
                    $"{info.Bytes} bytes", $"the end of the file at {file.Length}", BrokenAdvice);
            }
            tensors.Add(new TensorView(info.Name, info.Type, info.Shape, offset, info.Bytes, file.Start + offset, Path));
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
                ModelFileException.Throw("data of tensor", Path, tensor.Name, tensor.Offset,
                    $"a start at or after {before.Offset + before.Bytes}", $"an overlap with '{before.Name}'", BrokenAdvice);
            }
        }
    }

    private readonly record struct TensorInfo(string Name, WeightType Type, long[] Shape, long Bytes, long Offset);

    private TensorInfo ReadTensorInfo(Reader reader, uint alignment)
    {
        reader.About("", null);
        var at = reader.Offset;
        var name = reader.Text("tensor name", Limits.TensorNameBytes);
        reader.About("tensor", name);
        // Refused at once and not at the end: zeros read as nameless tensors, and a sparse file has no end of them.
        if (!byName.TryAdd(name, byName.Count)) reader.Fail("name", at, "a name of its own", "a name that occurred before", BrokenAdvice);
        at = reader.Offset;
        var dimensions = reader.U32("number of dimensions");
        if (dimensions > Limits.Dimensions)
            reader.Fail("number of dimensions", at, $"at most {Limits.Dimensions}", dimensions.ToString(), BrokenAdvice);

        var shape = new long[dimensions];
        var sizesAt = reader.Offset;
        var (values, product) = (1L, (UInt128)1);
        for (var i = 0; i < shape.Length; i++)
        {
            at = reader.Offset;
            var size = reader.U64("size");
            // Sizes of 0 are left out of this product: they must not hide others whose product overflows elsewhere.
            product *= Math.Max(size, 1);
            if (product > Limits.Weights)
                reader.Fail("sizes", at, $"at most 2^{ulong.Log2(Limits.Weights)} weights", $"size {size} on top of the others", BrokenAdvice);
            shape[^(i + 1)] = (long)size; // the file lists the innermost size first; we hold rows × columns
            values *= (long)size;
        }

        at = reader.Offset;
        var type = (WeightType)reader.U32("weight type");
        if (!type.IsKnown())
            reader.Fail("weight type", at, "a type of the GGUF specification", $"type {(uint)type}", "The file is damaged, or its type is newer than this runtime or was withdrawn.");
        var columns = shape.Length > 0 ? shape[^1] : 1;
        if (columns % type.BlockValues() != 0)
            reader.Fail("row length", sizesAt, $"a multiple of {type.BlockValues()} for {type}", columns.ToString(), BrokenAdvice);

        at = reader.Offset;
        var offset = reader.U64("data offset");
        if (offset % alignment != 0) reader.Fail("data offset", at, $"a multiple of {alignment}", offset.ToString(), BrokenAdvice);
        if (offset > (ulong)reader.FileLength)
            reader.Fail("data offset", at, $"at most {reader.FileLength}, the file's length", offset.ToString(), BrokenAdvice);
        return new TensorInfo(name, type, shape, type.RowBytes(values), (long)offset);
    }

    /// <summary>Reads forward through the map; every read is checked against what remains and says what was being read.</summary>
    private sealed class Reader(MappedFile file, long headerBytes)
    {
        private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

        private readonly long end = Math.Min(file.Length, headerBytes);
        private string kind = "";
        private string? item;

        public long Offset { get; private set; }

        public long FileLength => file.Length;

        private long Remaining => end - Offset;

        /// <summary>Names what is being read, for messages: a tensor or a metadata key.</summary>
        public void About(string kindOfItem, string? name) => (kind, item) = (kindOfItem, name);

        public uint U32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(4, what));

        public ulong U64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Take(8, what));

        /// <summary>A number of things that take at least <paramref name="bytesEach"/> bytes each in what remains.</summary>
        public ulong Count(string what, ulong limit, ulong bytesEach)
        {
            var at = Offset;
            var count = U64(what);
            if (count > limit) Fail(what, at, $"at most {limit}", count.ToString(), BrokenAdvice);
            if (count > (ulong)Remaining / bytesEach)
                Fail(what, at, $"at most {(ulong)Remaining / bytesEach}, because {Left}", count.ToString(), BrokenAdvice);
            return count;
        }

        /// <summary>A length in bytes, at most <paramref name="limit"/> and at most what remains after it.</summary>
        public long Length(string what, ulong limit)
        {
            var at = Offset;
            var length = U64(what);
            if (length > limit) Fail(what, at, $"at most {limit} bytes", length.ToString(), BrokenAdvice);
            if (length > (ulong)Remaining) Fail(what, at, $"at most {Remaining} bytes, because {Left}", length.ToString(), BrokenAdvice);
            return (long)length;
        }

        public string Text(string what, ulong limit)
        {
            var length = Length("length of " + what, limit);
            var at = Offset;
            var bytes = Take((int)length, what);
            try
            {
                return Strict.GetString(bytes);
            }
            catch (DecoderFallbackException)
            {
                Fail(what, at, "valid UTF-8", "bytes " + Convert.ToHexString(bytes[..Math.Min(bytes.Length, 16)]), BrokenAdvice);
                return "";
            }
        }

        public void Skip(long length, string what)
        {
            if (length > Remaining) Fail(what, Offset, $"{length} bytes", Left, BrokenAdvice);
            Offset += length;
        }

        public ReadOnlySpan<byte> Take(int length, string what)
        {
            var at = Offset;
            Skip(length, what);
            return file.Span(at, length);
        }

        [DoesNotReturn]
        public void Fail(string what, long offset, string? expected, string? found, string advice) =>
            ModelFileException.Throw(item is null ? what : $"{what} of {kind}", file.Path, item, offset, expected, found, advice);

        private string Left => end == file.Length
            ? $"{Remaining} bytes remain before the end of the file"
            : $"{Remaining} bytes remain before the end of the largest header allowed ({headerBytes} bytes)";
    }
}
