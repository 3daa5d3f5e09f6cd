using System.Text;

namespace WarpDecode.Formats;

/// <summary>
/// Writes a GGUF version 3 file: metadata first, then the tensors' descriptions, then their data, each written by its own
/// callback straight to the stream, so that memory stays bounded by the largest piece a callback writes.
/// </summary>
internal sealed class GgufWriter
{
    private const int Alignment = 32;
    private readonly List<(string Key, byte[] Value)> entries = [];
    private readonly List<(string Name, WeightType Type, long[] Shape, Action<Stream> Write)> tensors = [];

    public GgufWriter(string architecture) => Add("general.architecture", architecture);

    public GgufWriter Add(string key, string value) => AddRaw(key, MetadataType.String, w => Put(w, value));

    public GgufWriter Add(string key, uint value) => AddRaw(key, MetadataType.UInt32, w => w.Write(value));

    public GgufWriter Add(string key, float value) => AddRaw(key, MetadataType.Float32, w => w.Write(value));

    public GgufWriter Add(string key, bool value) => AddRaw(key, MetadataType.Bool, w => w.Write(value));

    public GgufWriter Add(string key, IReadOnlyCollection<string> values) => AddRaw(key, MetadataType.Array, w =>
    {
        w.Write((uint)MetadataType.String);
        w.Write((ulong)values.Count);
        foreach (var value in values) Put(w, value);
    });

    public GgufWriter Add(string key, IReadOnlyCollection<int> values) => AddRaw(key, MetadataType.Array, w =>
    {
        w.Write((uint)MetadataType.Int32);
        w.Write((ulong)values.Count);
        foreach (var value in values) w.Write(value);
    });

    /// <summary>Adds a tensor; <paramref name="write"/> must write exactly the bytes of that type and shape.</summary>
    /// <param name="name">Name in the file.</param>
    /// <param name="type">How the weights are stored.</param>
    /// <param name="shape">Sizes, outermost first.</param>
    /// <param name="write">Writes the data when its turn comes.</param>
    public GgufWriter Add(string name, WeightType type, long[] shape, Action<Stream> write)
    {
        tensors.Add((name, type, shape, write));
        return this;
    }

    /// <summary>Writes the whole file.</summary>
    public void Write(Stream stream)
    {
        using var header = new MemoryStream();
        using (var w = new BinaryWriter(header, Encoding.UTF8, leaveOpen: true))
        {
            w.Write("GGUF"u8);
            w.Write(3u);
            w.Write((ulong)tensors.Count);
            w.Write((ulong)entries.Count);
            foreach (var (key, value) in entries)
            {
                Put(w, key);
                w.Write(value);
            }
            var offset = 0L;
            foreach (var (name, type, shape, _) in tensors)
            {
                Put(w, name);
                w.Write((uint)shape.Length);
                foreach (var size in shape.Reverse()) w.Write((ulong)size);
                w.Write((uint)type);
                w.Write((ulong)offset);
                offset = Align(offset + Bytes(type, shape));
            }
        }
        stream.Write(header.GetBuffer(), 0, (int)header.Length);
        Pad(stream, header.Length);
        foreach (var (name, type, shape, write) in tensors)
        {
            var counted = new CountingStream(stream);
            write(counted);
            var expected = Bytes(type, shape);
            if (counted.Written != expected)
                throw new InvalidOperationException($"tensor {name}: its writer wrote {counted.Written} bytes, {expected} were announced");
            Pad(stream, expected);
        }
    }

    private static long Align(long offset) => (offset + Alignment - 1) / Alignment * Alignment;

    private static long Bytes(WeightType type, long[] shape) => type.RowBytes(shape.Aggregate(1L, (a, b) => checked(a * b)));

    private static void Pad(Stream stream, long written)
    {
        Span<byte> zeros = stackalloc byte[Alignment];
        zeros.Clear();
        stream.Write(zeros[..(int)(Align(written) - written)]);
    }

    private static void Put(BinaryWriter w, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        w.Write((ulong)bytes.Length);
        w.Write(bytes);
    }

    private GgufWriter AddRaw(string key, MetadataType type, Action<BinaryWriter> put)
    {
        using var value = new MemoryStream();
        using (var w = new BinaryWriter(value, Encoding.UTF8, leaveOpen: true))
        {
            w.Write((uint)type);
            put(w);
        }
        entries.Add((key, value.ToArray()));
        return this;
    }

    /// <summary>Passes bytes through and counts them.</summary>
    private sealed class CountingStream(Stream inner) : Stream
    {
        public long Written { get; private set; }

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => Written;
            set => throw new NotSupportedException();
        }

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            inner.Write(buffer);
            Written += buffer.Length;
        }
    }
}
