using System.Text.Json;

namespace WarpDecode.Chat.Conversations;

/// <summary>
/// A conversation in its file: JSON Lines, first what it is, then one record for each thing that happened, written and flushed to the disk
/// before the next. Nothing is ever changed in it, so whoever is killed loses at most what was not said to the end. A last line that is not
/// whole is cut when the file is opened the next time, and said; damage anywhere else is an error with its line.
/// </summary>
internal sealed class ConversationFile : IDisposable
{
    /// <summary>Most bytes of a line: a long message with files attached is a few MB.</summary>
    public const int MaxLine = 32 << 20;

    /// <summary>Most bytes of a file.</summary>
    public const long MaxFile = 1L << 30;

    /// <summary>How files of conversations end.</summary>
    public const string Extension = ".jsonl";

    private readonly List<byte[]> pending = [];
    private FileStream? stream;
    private FileStream? guard; // held while the conversation is open for writing
    private bool began;
    private long length; // of what is whole and on the disk
    private bool endMissing; // of the last line, which is whole else

    private ConversationFile(string path, string id, DateTimeOffset created)
    {
        (Path, Id, Created) = (path, id, created);
        Tree.Recorder = Append;
    }

    public string Path { get; }

    /// <summary>Names the conversation for good.</summary>
    public string Id { get; }

    public DateTimeOffset Created { get; }

    public ConversationTree Tree { get; } = new();

    /// <summary>What was cut from the file's end when it was opened, in words; null if nothing was.</summary>
    public string? Repaired { get; private set; }

    /// <summary>Why the last record could not be written, in words; null while all is on the disk. Every later record tries again.</summary>
    public string? Problem { get; private set; }

    /// <summary>A new conversation; its file is made when the first message comes, so that what was never begun leaves nothing.</summary>
    public static ConversationFile Create(string folder, ModelIdentity? model, TimeProvider time)
    {
        var now = time.GetUtcNow();
        var id = ConversationStore.NewId(now);
        var file = new ConversationFile(System.IO.Path.Combine(folder, id + Extension), id, now);
        file.pending.Add(ConversationJson.HeaderLine(id, now));
        if (model is not null) file.Tree.SetModel(model);
        return file;
    }

    /// <summary>Opens a conversation to go on with it; nobody else can until it is closed.</summary>
    /// <exception cref="ConversationException">It is open elsewhere, damaged, or no conversation.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static ConversationFile Open(string path)
    {
        FileStream? guard = null;
        FileStream? stream = null;
        try
        {
            if (!File.Exists(path)) throw new FileNotFoundException($"there is no file '{ConversationTree.OneLine(path, 4096)}'", path);
            guard = Lock(path);
            stream = OpenStream(path, FileMode.Open);
            var file = Read(stream, path);
            (file.stream, file.guard) = (stream, guard);
            file.began = true;
            if (stream.Length > file.length) stream.SetLength(file.length);
            stream.Position = file.length;
            if (file.endMissing)
            {
                stream.WriteByte((byte)'\n');
                file.length++;
            }
            return file;
        }
        catch
        {
            stream?.Dispose();
            guard?.Dispose();
            throw;
        }
    }

    /// <summary>Reads a conversation as it is now, changes nothing and keeps nobody away. What is recorded in it goes nowhere.</summary>
    /// <exception cref="ConversationException">It is damaged, or no conversation.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static ConversationFile Peek(string path)
    {
        using var stream = new FileStream(path, DataFolder.Private(FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        var file = Read(stream, path);
        file.Tree.Recorder = null;
        return file;
    }

    /// <summary>Writes the conversation as it is now to a new file, as a conversation of its own without a name.</summary>
    /// <exception cref="IOException">It cannot be written, or there is a file already.</exception>
    public void CopyTo(string path, string id, DateTimeOffset created)
    {
        using var copy = new FileStream(path, DataFolder.Private(FileMode.CreateNew, FileAccess.Write, FileShare.None));
        copy.Write(ConversationJson.HeaderLine(id, created));
        foreach (var record in Tree.Records()) copy.Write(ConversationJson.RecordLine(record));
        copy.Flush(flushToDisk: true);
    }

    /// <summary>Writes what could not be written before; does nothing if there is nothing.</summary>
    public void Dispose()
    {
        if (began && pending.Count > 0) Write();
        stream?.Dispose();
        guard?.Dispose();
        (stream, guard) = (null, null);
        Tree.Recorder = null;
    }

    private void Append(ConversationRecord record)
    {
        var line = ConversationJson.RecordLine(record);
        var waiting = pending.Sum(l => (long)l.Length);
        if (line.Length > MaxLine)
            throw new ConversationException($"the message takes {line.Length} bytes, a line of a conversation's file at most {MaxLine}", "Send less at once.");
        if (length + waiting + line.Length > MaxFile)
            throw new ConversationException($"the conversation's file is full: {MaxFile} bytes", "Begin a new one with /new.");
        pending.Add(line);
        began |= record is MessageAdded;
        if (began) Write();
    }

    // A record that fails halfway is cut, and goes out whole with the next.
    private void Write()
    {
        try
        {
            if (stream is null)
            {
                DataFolder.Create(System.IO.Path.GetDirectoryName(Path)!);
                guard ??= Lock(Path);
                stream = OpenStream(Path, FileMode.OpenOrCreate);
            }
            if (stream.Length != length) stream.SetLength(length);
            stream.Position = length;
            var total = 0L;
            foreach (var line in pending)
            {
                stream.Write(line);
                total += line.Length;
            }
            stream.Flush(flushToDisk: true);
            length += total;
            pending.Clear();
            Problem = null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ConversationException)
        {
            Problem = $"the conversation cannot be saved: {e.Message}";
        }
    }

    private static FileStream OpenStream(string path, FileMode mode) => new(path, DataFolder.Private(mode, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete));

    // A file beside it is what is locked, so that lists can read a conversation while it is held. It stays: who would delete it could
    // take it from under another who just opened it.
    private static FileStream Lock(string path)
    {
        var full = System.IO.Path.GetFullPath(path);
        try
        {
            return new FileStream(
                System.IO.Path.Combine(System.IO.Path.GetDirectoryName(full)!, "." + System.IO.Path.GetFileName(full) + ".lock"),
                DataFolder.Private(FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException e) when (e is not (FileNotFoundException or DirectoryNotFoundException or PathTooLongException) && IsLocked(e))
        {
            throw new ConversationException(
                $"the conversation {System.IO.Path.GetFileNameWithoutExtension(path)} is open in another wd-run", "Go on there, or close it there first.", e);
        }
    }

    // EWOULDBLOCK of flock (11 on Linux, 35 on macOS), ERROR_SHARING_VIOLATION on Windows.
    private static bool IsLocked(IOException e) => (e.HResult & 0xFFFF) is 32 or 11 or 35 || e.Message.Contains("used by another process", StringComparison.Ordinal);

    private static ConversationFile Read(FileStream stream, string path)
    {
        if (stream.Length > MaxFile) throw Damaged(path, 0, $"the file has {stream.Length} bytes, a conversation at most {MaxFile}");
        var lines = new LineReader(stream, MaxLine);
        ConversationFile? file = null;
        try
        {
            while (lines.Next() is { } line)
            {
                // What was not written to its end is cut, unless only the line's end is missing. After a loss of power there may be zeros.
                if (lines.Torn && file is not null && IsWhole(line))
                {
                    file.endMissing = true;
                }
                else if (lines.Torn || line.Span.IndexOf((byte)0) >= 0)
                {
                    if (file is null) throw new InvalidDataException("the first line is not whole");
                    if (!lines.Torn && lines.Next() is not null) throw new InvalidDataException("the line before has bytes 0 in it");
                    file.Repaired = $"the last record was not written to its end and is left out ({stream.Length - file.length} bytes)";
                    return file;
                }
                if (file is null)
                {
                    var (id, created) = ConversationJson.ReadHeader(line);
                    file = new ConversationFile(path, id, created);
                }
                else
                {
                    file.Tree.Apply(ConversationJson.Read(line));
                }
                file.length = lines.Offset + line.Length + (lines.Torn ? 0 : 1);
            }
        }
        catch (Exception e) when (e is InvalidDataException or JsonException or InvalidOperationException or FormatException)
        {
            // System.Text.Json has InvalidOperationException for text that is no UTF-8.
            var why = e is JsonException ? "this is no JSON" : e is InvalidDataException ? e.Message : "there is text that is no UTF-8";
            throw Damaged(path, lines.Number, why, e);
        }
        return file ?? throw Damaged(path, 1, "the file is empty");
    }

    private static bool IsWhole(ReadOnlyMemory<byte> line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement.ValueKind == JsonValueKind.Object;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static ConversationException Damaged(string path, int line, string why, Exception? inner = null) => new(
        ConversationTree.OneLine(path, 4096) + (line > 0 ? $", line {line}" : "") + ": " + why,
        "The file stays as it is: correct the line, or delete from it on to the end.", inner);
}
