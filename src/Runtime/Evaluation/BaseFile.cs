using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>
/// The logits of one run over a text, which other runs are compared with. They are kept as they were computed, in FP32, so that
/// a run compared with itself has a divergence of exactly 0; a position takes 4 bytes for each token of the vocabulary.
/// </summary>
/// <remarks>
/// Everything is little-endian; there is nothing else in the file, and nothing after the last logit.
/// <code>
/// offset  size
///      0     8  "WDLOGITS"
///      8     4  version, 1
///     12     4  V: tokens that a position has logits for
///     16     4  tokens of a window (4 or more)
///     20     4  stride; 0 for windows side by side whose second half is scored
///     24     4  T: tokens of the text that the windows reach
///     28     4  token that took the place of each window's first one (the model's BOS); -1 if none did
///     32    32  SHA-256 of the T tokens as they lie in the file
///     64    32  SHA-256 of the tokenizer's vocabulary: of each token the number of its bytes (4 bytes), then the bytes
///     96   4 T  the tokens of the text, before any was replaced
///  96+4T  4 P V the logits after each scored position, float32 [P, V]; which positions these are follows from the fields above
/// </code>
/// </remarks>
public sealed class BaseFile : IDisposable
{
    internal const int HeaderBytes = 96;
    internal const int Version = 1;
    private const int HashBytes = 32;
    private const int MostVocabulary = 1 << 24; // sixty times the largest known
    private readonly SafeFileHandle handle;
    private readonly int[] tokens;
    private readonly byte[] vocabularyHash;
    private readonly int bos;
    private readonly int? stride;
    private readonly long firstLogit;

    private BaseFile(string path)
    {
        Path = path;
        handle = File.OpenHandle(path, options: FileOptions.SequentialScan);
        try
        {
            var length = RandomAccess.GetLength(handle);
            Span<byte> header = stackalloc byte[HeaderBytes];
            if (length < HeaderBytes) Throw("is no file of logits", $"at least {HeaderBytes} bytes", $"{length}");
            Read(header, 0);
            if (!header.StartsWith(Magic)) Throw("is no file of logits", "'WDLOGITS' at its beginning", $"bytes {Convert.ToHexString(header[..8])}");
            var version = BinaryPrimitives.ReadInt32LittleEndian(header[8..]);
            if (version != Version) Throw("has a version that this program does not know", $"{Version}", $"{version}");
            Vocabulary = Field(header, 12, "the vocabulary", 1, MostVocabulary);
            Context = Field(header, 16, "the window", PerplexityOptions.LeastContext, int.MaxValue);
            stride = Field(header, 20, "the stride", 0, Context - 1) is > 0 and var step ? step : null;
            var count = Field(header, 24, "the number of tokens", 2, Array.MaxLength);
            bos = Field(header, 28, "the replaced token", -1, Vocabulary - 1);
            Plan = new WindowPlan(count, Context, stride);
            if (Plan.Tokens != count) Throw("has tokens that no window reaches", $"windows of {Context}", $"{count} tokens");
            firstLogit = HeaderBytes + ((long)count * sizeof(int));
            // 128 bits: a header of large numbers must not come round to a small file.
            var expected = firstLogit + ((Int128)Plan.Scored * Vocabulary * sizeof(float));
            if (length != expected) Throw("is cut off or too long", $"{expected} bytes for {Plan.Scored} positions of {Vocabulary} logits", $"{length}");
            tokens = new int[count];
            var bytes = MemoryMarshal.AsBytes(tokens.AsSpan());
            Read(bytes, HeaderBytes);
            if (!SHA256.HashData(bytes).AsSpan().SequenceEqual(header.Slice(32, HashBytes))) Throw("is damaged", "tokens of the hash in its header", "others");
            foreach (var token in tokens)
            {
                if ((uint)token >= (uint)Vocabulary) Throw("is damaged", $"tokens from 0 to {Vocabulary - 1}", $"{token}");
            }
            vocabularyHash = header.Slice(64, HashBytes).ToArray();
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Path of the file.</summary>
    public string Path { get; }

    /// <summary>Tokens that a position has logits for.</summary>
    public int Vocabulary { get; }

    /// <summary>Tokens of a window.</summary>
    public int Context { get; }

    /// <summary>Tokens from one window to the next; null for windows side by side whose second half is scored.</summary>
    public int? Stride => stride;

    /// <summary>The text that was evaluated, as far as the windows reach.</summary>
    public ReadOnlyMemory<int> Tokens => tokens;

    internal static ReadOnlySpan<byte> Magic => "WDLOGITS"u8;

    /// <summary>The windows that the file has the logits of.</summary>
    internal WindowPlan Plan { get; }

    /// <summary>Opens a file and checks all of it but the logits, which are checked as they are read.</summary>
    /// <exception cref="EvaluationException">It is no such file, or a damaged one.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static BaseFile Open(string path) => new(path);

    /// <summary>Closes the file.</summary>
    public void Dispose() => handle.Dispose();

    /// <summary>Checks that a model's logits can be compared with those of the file.</summary>
    /// <exception cref="EvaluationException">They are of another vocabulary, or the model begins a window otherwise.</exception>
    internal void CheckModel(Engine engine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        const string advice = "Compare runs of one model only: in another precision, or on another backend.";
        if (engine.Vocabulary != Vocabulary)
            throw new EvaluationException($"{Path} is of another model: it has {Vocabulary} logits a position, this model {engine.Vocabulary}", advice);
        if (!HashOf(engine.Tokenizer).AsSpan().SequenceEqual(vocabularyHash))
            throw new EvaluationException($"{Path} is of a model with another vocabulary: its tokens have other bytes than this model's", advice);
        var replaced = Perplexity.BeginsWith(engine.Tokenizer) ?? -1;
        if (replaced != bos)
            throw new EvaluationException($"{Path} is of a run whose windows begin with {Word(bos)}, those of this model begin with {Word(replaced)}", advice);

        static string Word(int token) => token < 0 ? "the text" : $"token {token}";
    }

    /// <summary>Checks that the file is of a text, as far as its windows reach.</summary>
    /// <param name="text">The text's tokens, from <see cref="Perplexity.Tokenize"/>.</param>
    /// <exception cref="EvaluationException">It is of another.</exception>
    internal void CheckText(ReadOnlySpan<int> text)
    {
        var same = text.CommonPrefixLength(tokens);
        if (same < tokens.Length)
        {
            throw new EvaluationException(
                $"{Path} is of another text: token {same} is {tokens[same]} there, {(same < text.Length ? $"{text[same]}" : "missing")} here",
                "Leave the text away: the file knows it.");
        }
    }

    /// <summary>What stands for a tokenizer's vocabulary in the header.</summary>
    internal static byte[] HashOf(Tokenizer tokenizer)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[sizeof(int)];
        for (var id = 0; id < tokenizer.Count; id++)
        {
            var bytes = tokenizer.Bytes(id);
            BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
            hash.AppendData(length);
            hash.AppendData(bytes);
        }
        return hash.GetHashAndReset();
    }

    /// <summary>Reads the logits of neighbouring positions.</summary>
    /// <param name="position">The first, counted over the scored ones of all windows.</param>
    /// <param name="logits">Filled [positions, vocabulary].</param>
    internal void ReadLogits(long position, Span<float> logits) =>
        Read(MemoryMarshal.AsBytes(logits), firstLogit + (position * Vocabulary * sizeof(float)));

    private void Read(Span<byte> to, long offset)
    {
        while (to.Length > 0)
        {
            var count = RandomAccess.Read(handle, to, offset);
            if (count == 0) Throw("ends too early", $"{to.Length} more bytes at offset {offset}", "its end"); // it was whole when it was opened
            to = to[count..];
            offset += count;
        }
    }

    private int Field(ReadOnlySpan<byte> header, int offset, string name, int least, int most)
    {
        var value = BinaryPrimitives.ReadInt32LittleEndian(header[offset..]);
        if (value < least || value > most) Throw($"has a bad header: {name}, at offset {offset}", $"{least} to {most}", $"{value}");
        return value;
    }

    [DoesNotReturn]
    private void Throw(string what, string expected, string found) =>
        throw new EvaluationException($"{Path} {what}: expected {expected}, found {found}", "Give a file that --save-logits wrote, or write it again.");
}
