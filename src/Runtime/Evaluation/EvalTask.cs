using System.Security.Cryptography;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>
/// Questions with their right answers, from a file of one JSON object a line. A multiple choice is
/// <c>{context | messages, choices, answer}</c>, its answer an index from 0 or a letter; a generation is
/// <c>{prompt | messages, answer | answers | regex, max_tokens?, stop?}</c>. Both may have an <c>id</c> and a <c>category</c>.
/// Immutable and safe to use from many threads.
/// </summary>
public sealed class EvalTask
{
    private EvalTask(string path, List<TaskItem> items, string sha256)
    {
        Path = path;
        Items = items;
        Sha256 = sha256;
    }

    /// <summary>Path as given to <see cref="Read"/>.</summary>
    public string Path { get; }

    /// <summary>Number of questions.</summary>
    public int Count => Items.Count;

    internal IReadOnlyList<TaskItem> Items { get; }

    /// <summary>Of the whole file, whatever number of its items was read.</summary>
    internal string Sha256 { get; }

    /// <summary>Reads and checks a task file.</summary>
    /// <param name="path">UTF-8, one JSON object a line; empty lines are skipped.</param>
    /// <param name="most">Reads that many items at most, from the first on; null for all.</param>
    /// <param name="cancellation">Ends reading between two items.</param>
    /// <exception cref="EvalFileException">A line is not an item; the message says where and why.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static EvalTask Read(string path, int? most = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (most is { } count) ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count, nameof(most));
        var bytes = ReadBytes(path);
        return new EvalTask(path, TaskReader.Read(path, bytes, most ?? int.MaxValue, cancellation), Convert.ToHexStringLower(SHA256.HashData(bytes.Span)));
    }

    // Not File.ReadAllBytes: a pipe has no length, and what never ends must not fill the memory.
    private static ReadOnlyMemory<byte> ReadBytes(string path)
    {
        using var stream = File.OpenRead(path);
        using var all = new MemoryStream();
        var piece = new byte[64 << 10];
        while (stream.Read(piece) is > 0 and var count)
        {
            if (all.Length + count > TaskReader.MostBytes)
                EvalFileException.Throw("the file is too large", path, null, null, $"at most {TaskReader.MostBytes} bytes", "more", "Divide it.");
            all.Write(piece, 0, count);
        }
        return all.GetBuffer().AsMemory(0, (int)all.Length);
    }
}
