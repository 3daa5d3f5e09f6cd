using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace WarpDecode.Chat.Conversations;

/// <summary>Which model a conversation was held with.</summary>
/// <param name="Name">Name of the file or folder, without its path.</param>
/// <param name="Size">Bytes of all its files.</param>
/// <param name="Hash">
/// SHA-256 (lowercase hex) over, for each file in the order of names: its length as 8 bytes little endian, its first MiB, and 64 KiB at each of
/// 16 places evenly from there to its end. Metadata lie at a file's beginning, so another template or vocabulary shows as other weights do;
/// reading 2 MiB a file is quick where hashing 100 GB would not be.
/// </param>
internal sealed partial record ModelIdentity(string Name, long Size, string Hash)
{
    private const int HeadBytes = 1 << 20;
    private const int SampleBytes = 1 << 16;
    private const int Samples = 16;

    /// <summary>The identity of a model file, of all parts of a split one, or of a model folder.</summary>
    public static ModelIdentity Of(string path)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var size = 0L;
        var buffer = new byte[HeadBytes];
        Span<byte> written = stackalloc byte[8];
        foreach (var file in Files(path))
        {
            using var handle = File.OpenHandle(file);
            var length = RandomAccess.GetLength(handle);
            size = checked(size + length);
            BinaryPrimitives.WriteInt64LittleEndian(written, length);
            hash.AppendData(written);
            Add(handle, 0, HeadBytes);
            var rest = length - HeadBytes;
            if (rest <= 0) continue;
            for (var i = 1; i <= Samples; i++)
            {
                var end = HeadBytes + (long)((Int128)rest * i / Samples);
                Add(handle, Math.Max(HeadBytes, end - SampleBytes), (int)Math.Min(SampleBytes, end - HeadBytes));
            }
        }
        return new ModelIdentity(Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))), size, Convert.ToHexStringLower(hash.GetHashAndReset()));

        void Add(Microsoft.Win32.SafeHandles.SafeFileHandle handle, long offset, int count)
        {
            var done = 0;
            while (done < count && RandomAccess.Read(handle, buffer.AsSpan(done, count - done), offset + done) is > 0 and var n) done += n;
            hash.AppendData(buffer, 0, done);
        }
    }

    private static IEnumerable<string> Files(string path)
    {
        if (Directory.Exists(path))
        {
            return Directory.EnumerateFiles(path)
                .Where(f => Path.GetExtension(f) is ".safetensors" or ".json" or ".gguf" or ".jinja")
                .Order(StringComparer.Ordinal);
        }
        if (Part().Match(Path.GetFileName(path)) is { Success: true } part)
        {
            var name = Path.GetFileName(path);
            var (before, after) = (name[..part.Groups["part"].Index], name[(part.Groups["part"].Index + 5)..]);
            return Directory.EnumerateFiles(Path.GetDirectoryName(Path.GetFullPath(path))!)
                .Where(f => Path.GetFileName(f) is var n && n.Length == name.Length
                    && n.StartsWith(before, StringComparison.Ordinal) && n.EndsWith(after, StringComparison.Ordinal))
                .Order(StringComparer.Ordinal);
        }
        return [path];
    }

    [GeneratedRegex(@"-(?<part>[0-9]{5})-of-[0-9]{5}\.gguf$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Part();
}
