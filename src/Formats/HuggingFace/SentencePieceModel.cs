using System.Buffers.Binary;
using System.Text;

namespace WarpDecode.Formats.HuggingFace;

/// <summary>tokenizer.model: SentencePiece's ModelProto (sentencepiece_model.proto), as far as text needs it.</summary>
internal sealed class SentencePieceModel
{
    public const int Unigram = 1, BytePairs = 2;

    private readonly string path;

    private SentencePieceModel(string path) => this.path = path;

    public List<string> Texts { get; } = [];

    /// <summary>Numbered as GGUF numbers them, which took them from here.</summary>
    public List<int> Types { get; } = [];

    public List<float> Scores { get; } = [];

    /// <summary>How words become tokens: unigram, bpe, word or char.</summary>
    public int Kind { get; private set; } = Unigram;

    public int UnknownId { get; private set; }

    public int Bos { get; private set; } = 1;

    public int Eos { get; private set; } = 2;

    public bool SpacesAsSuffix { get; private set; }

    public bool AddsSpace { get; private set; } = true;

    public bool RemovesExtraSpaces { get; private set; } = true;

    public byte[] Charsmap { get; private set; } = [];

    public static SentencePieceModel Read(string path)
    {
        using var file = new MappedFile(path);
        if (file.Length > Limits.JsonBytes) ModelFileException.Throw("length", path, null, null, $"at most {Limits.JsonBytes} bytes", file.Length.ToString(), "This is not a file of a model.");
        var model = new SentencePieceModel(path);
        model.Message(file.Span(0, (int)file.Length), model.Field);
        file.CheckWhole();
        if (model.Texts.Count == 0) ModelFileException.Throw("content", path, "pieces", null, "at least one token", "none", "The file is damaged or no SentencePiece model: get it again.");
        return model;
    }

    private delegate void Take(int field, long number, ReadOnlySpan<byte> bytes);

    private void Field(int field, long number, ReadOnlySpan<byte> bytes)
    {
        switch (field)
        {
            case 1: // pieces
                var (text, score, type) = ("", 0f, 1);
                Message(bytes, (f, n, b) =>
                {
                    if (f == 1) text = Encoding.UTF8.GetString(b);
                    else if (f == 2) score = BitConverter.Int32BitsToSingle((int)n);
                    else if (f == 3) type = n is >= 1 and <= 6 ? (int)n : 5;
                });
                if (!float.IsFinite(score)) Damaged("scores that are finite numbers");
                Texts.Add(text);
                Scores.Add(score);
                Types.Add(type);
                break;
            case 2: // trainer_spec
                Message(bytes, (f, n, _) =>
                {
                    if (f == 3) Kind = (int)n;
                    else if (f == 24) SpacesAsSuffix = n != 0;
                    else if (f == 40) UnknownId = (int)n;
                    else if (f == 41) Bos = (int)n;
                    else if (f == 42) Eos = (int)n;
                });
                break;
            case 3: // normalizer_spec
                Message(bytes, (f, n, b) =>
                {
                    if (f == 2) Charsmap = b.ToArray();
                    else if (f == 3) AddsSpace = n != 0;
                    else if (f == 4) RemovesExtraSpaces = n != 0;
                });
                break;
        }
    }

    // One message of protobuf's wire format: fields with a number, or with bytes.
    private void Message(ReadOnlySpan<byte> bytes, Take take)
    {
        while (!bytes.IsEmpty)
        {
            var key = Varint(ref bytes);
            var field = (int)Math.Min(key >> 3, int.MaxValue);
            switch (key & 7)
            {
                case 0:
                    take(field, (long)Varint(ref bytes), default);
                    break;
                case 1:
                    take(field, BinaryPrimitives.ReadInt64LittleEndian(Cut(ref bytes, 8)), default);
                    break;
                case 2:
                    var length = Varint(ref bytes);
                    take(field, 0, Cut(ref bytes, length));
                    break;
                case 5:
                    take(field, BinaryPrimitives.ReadInt32LittleEndian(Cut(ref bytes, 4)), default);
                    break;
                default:
                    Damaged("fields of protobuf");
                    break;
            }
        }
    }

    private ulong Varint(ref ReadOnlySpan<byte> bytes)
    {
        var value = 0UL;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var next = Cut(ref bytes, 1)[0];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return value;
        }
        Damaged("numbers of at most ten bytes");
        return 0;
    }

    private ReadOnlySpan<byte> Cut(ref ReadOnlySpan<byte> bytes, ulong length)
    {
        if (length > (ulong)bytes.Length) Damaged($"{length} bytes more");
        var cut = bytes[..(int)length];
        bytes = bytes[(int)length..];
        return cut;
    }

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private void Damaged(string expected) =>
        ModelFileException.Throw("content", path, null, null, expected, "other bytes", "The file is damaged or no SentencePiece model: get it again.");
}
