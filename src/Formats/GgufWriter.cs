using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace WarpDecode.Formats;

/// <summary>
/// Writes a GGUF version 3 file: metadata first, then the tensors' descriptions, then their data, each written by its own
/// callback straight to the stream, so that memory stays bounded by the largest piece a callback writes.
/// </summary>
internal sealed class GgufWriter
{
    private const string AlignmentKey = "general.alignment";
    private readonly List<(string Key, MetadataType Type, byte[] Value)> entries = [];
    private readonly HashSet<string> keys = new(StringComparer.Ordinal);
    private readonly List<(string Name, WeightType Type, long[] Shape, Action<Stream> Write)> tensors = [];
    private long alignment = 32;

    /// <param name="architecture">The model's; null for a later shard of a split one.</param>
    public GgufWriter(string? architecture)
    {
        if (architecture is not null) Add("general.architecture", architecture);
    }

    /// <summary>Adds a text.</summary>
    public GgufWriter Add(string key, string value) => Add(key, MetadataType.String, Encode(w => Put(w, value)));

    /// <summary>Adds a number or a truth value; <c>general.alignment</c> is obeyed too.</summary>
    public GgufWriter Add<T>(string key, T value)
        where T : unmanaged => Add(key, TypeOf<T>(), MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)).ToArray());

    /// <summary>Adds an array of texts.</summary>
    public GgufWriter Add(string key, IReadOnlyCollection<string> values) => Add(key, MetadataType.Array, Encode(w =>
    {
        w.Write((uint)MetadataType.String);
        w.Write((ulong)values.Count);
        foreach (var value in values) Put(w, value);
    }));

    /// <summary>Adds an array of numbers or truth values.</summary>
    public GgufWriter Add<T>(string key, IReadOnlyCollection<T> values)
        where T : unmanaged => Add(key, MetadataType.Array, Encode(w =>
    {
        w.Write((uint)TypeOf<T>());
        w.Write((ulong)values.Count);
        w.Write(MemoryMarshal.AsBytes<T>(values.ToArray()));
    }));

    /// <summary>Adds a value of another file as it is, arrays within arrays and invalid UTF-8 included.</summary>
    public GgufWriter Copy(Metadata from, string key) => Add(key, from.Describe(key).Type, from.Encoded(key).ToArray());

    /// <summary>Adds a value that is already encoded as the format asks for.</summary>
    public GgufWriter Add(string key, MetadataType type, byte[] encoded)
    {
        if (!keys.Add(key)) throw new ArgumentException($"metadata '{key}' was added before", nameof(key));
        if (key == AlignmentKey)
        {
            alignment = type == MetadataType.UInt32 ? BinaryPrimitives.ReadUInt32LittleEndian(encoded) : 0;
            if (!long.IsPow2(alignment)) throw new ArgumentException("the alignment is a power of two, as a uint", nameof(encoded));
        }
        entries.Add((key, type, encoded));
        return this;
    }

    /// <summary>Adds a tensor; <paramref name="write"/> must write exactly the bytes of that type and shape.</summary>
    /// <param name="name">Name in the file.</param>
    /// <param name="type">How the weights are stored.</param>
    /// <param name="shape">Sizes, outermost first.</param>
    /// <param name="write">Writes the data when its turn comes.</param>
    public GgufWriter Add(string name, WeightType type, long[] shape, Action<Stream> write)
    {
        if (!type.IsKnown()) throw new ArgumentException($"tensor {name}: GGUF has no weights of type {type}", nameof(type));
        tensors.Add((name, type, shape, write));
        return this;
    }

    /// <summary>Bytes that <see cref="Write"/> writes.</summary>
    public long Length => tensors.Aggregate(Align(Encode(WriteHeader).Length), (sum, t) => Align(sum + Bytes(t.Type, t.Shape)));

    /// <summary>Writes the whole file to a stream that knows its position.</summary>
    public void Write(Stream stream)
    {
        var start = stream.Position;
        stream.Write(Encode(WriteHeader));
        Pad(stream, start);
        foreach (var (name, type, shape, write) in tensors)
        {
            var (before, expected) = (stream.Position, Bytes(type, shape));
            write(stream);
            if (stream.Position - before != expected)
                throw new InvalidOperationException($"tensor {name}: its writer wrote {stream.Position - before} bytes, {expected} were announced");
            Pad(stream, start);
        }
    }

    private void WriteHeader(BinaryWriter w)
    {
        w.Write("GGUF"u8);
        w.Write(3u);
        w.Write((ulong)tensors.Count);
        w.Write((ulong)entries.Count);
        foreach (var (key, type, value) in entries)
        {
            Put(w, key);
            w.Write((uint)type);
            w.Write(value);
        }
        var offset = 0L;
        foreach (var (name, type, shape, _) in tensors)
        {
            Put(w, name);
            w.Write((uint)shape.Length);
            foreach (var size in Enumerable.Reverse(shape)) w.Write((ulong)size);
            w.Write((uint)type);
            w.Write((ulong)offset);
            offset = Align(offset + Bytes(type, shape));
        }
    }

    private static long Bytes(WeightType type, long[] shape)
    {
        if (shape.Length > 0) type.RowBytes(shape[^1]); // throws unless rows are whole blocks
        return type.RowBytes(shape.Aggregate(1L, (a, b) => checked(a * b)));
    }

    private long Align(long offset) => (offset + alignment - 1) / alignment * alignment;

    private void Pad(Stream stream, long start)
    {
        var written = stream.Position - start;
        stream.Write(new byte[Align(written) - written]);
    }

    private static void Put(BinaryWriter w, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        w.Write((ulong)bytes.Length);
        w.Write(bytes);
    }

    private static byte[] Encode(Action<BinaryWriter> put)
    {
        using var bytes = new MemoryStream();
        using (var w = new BinaryWriter(bytes, Encoding.UTF8, leaveOpen: true)) put(w);
        return bytes.ToArray();
    }

    private static MetadataType TypeOf<T>()
        where T : unmanaged => default(T) switch
        {
            byte => MetadataType.UInt8,
            sbyte => MetadataType.Int8,
            ushort => MetadataType.UInt16,
            short => MetadataType.Int16,
            uint => MetadataType.UInt32,
            int => MetadataType.Int32,
            ulong => MetadataType.UInt64,
            long => MetadataType.Int64,
            float => MetadataType.Float32,
            double => MetadataType.Float64,
            bool => MetadataType.Bool,
            _ => throw new NotSupportedException($"GGUF has no metadata type for {typeof(T).Name}"),
        };
}
