using System.Text.Json;

namespace WarpDecode.Chat.Conversations;

/// <summary>
/// What was typed, in this session and those before, oldest first, and a place in it. The file has one JSON string a line. Processes add to
/// it one after another, each for the moment that it takes.
/// </summary>
internal sealed class InputHistory
{
    /// <summary>Most entries that are kept.</summary>
    public const int MaxEntries = 10_000;

    /// <summary>Most bytes of the file's entries.</summary>
    public const int MaxBytes = 4 << 20;

    /// <summary>Most bytes of an entry in the file; longer ones are kept in this session alone.</summary>
    public const int MaxEntry = 64 << 10;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private readonly List<string> entries = [];
    private readonly string? path;
    private int place; // entries.Count: at the draft
    private string draft = "";

    /// <summary>A history in memory alone.</summary>
    public InputHistory()
    {
    }

    /// <summary>The history of a file, which need not be there yet.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public InputHistory(string path)
    {
        this.path = path;
        if (!File.Exists(path)) return;
        using (var stream = new FileStream(path, DataFolder.Private(FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete)))
        {
            // A file that grew beyond all limits is read from where the newest are.
            var skipped = Math.Max(0, stream.Length - (2 * (long)MaxBytes));
            stream.Position = skipped;
            Read(stream, skipped > 0, entries);
        }
        if (entries.Count > MaxEntries * 5 / 4 || new FileInfo(path).Length > MaxBytes * 5L / 4) Compact(path);
        if (entries.Count > MaxEntries) entries.RemoveRange(0, entries.Count - MaxEntries);
        place = entries.Count;
    }

    /// <summary>The entries, oldest first.</summary>
    public IReadOnlyList<string> Entries => entries;

    /// <summary>Why the last entry could not be written, in words; null if it was.</summary>
    public string? Problem { get; private set; }

    /// <summary>Whether an entry is shown rather than the draft.</summary>
    public bool IsBrowsing => place < entries.Count;

    /// <summary>Adds an entry, unless it is empty or the same as the last, and goes back to the draft.</summary>
    public void Add(string text)
    {
        var added = !string.IsNullOrWhiteSpace(text) && (entries.Count == 0 || entries[^1] != text);
        if (added) entries.Add(text);
        if (entries.Count > MaxEntries) entries.RemoveAt(0);
        Reset();
        if (added && path is not null) Write(path, text);
    }

    /// <summary>Goes back to the draft and forgets it.</summary>
    public void Reset() => (place, draft) = (entries.Count, "");

    /// <summary>The entry before that begins with <paramref name="prefix"/>; null if there is none. The first time, <paramref name="current"/> is kept as the draft.</summary>
    public string? Up(string current, string prefix = "")
    {
        for (var i = place - 1; i >= 0; i--)
        {
            if (!entries[i].StartsWith(prefix, StringComparison.Ordinal) || entries[i] == current) continue;
            if (!IsBrowsing) draft = current;
            place = i;
            return entries[i];
        }
        return null;
    }

    /// <summary>The entry after that begins with <paramref name="prefix"/>, the draft after the last; null if the draft is shown.</summary>
    public string? Down(string current, string prefix = "")
    {
        if (!IsBrowsing) return null;
        for (var i = place + 1; i < entries.Count; i++)
        {
            if (!entries[i].StartsWith(prefix, StringComparison.Ordinal) || entries[i] == current) continue;
            place = i;
            return entries[i];
        }
        var kept = draft;
        Reset();
        return kept;
    }

    private void Write(string file, string text)
    {
        var line = Line(text);
        if (line.Length > MaxEntry) return;
        try
        {
            DataFolder.Create(Path.GetDirectoryName(Path.GetFullPath(file))!);
            using var guard = Guard(file);
            using var stream = new FileStream(file, DataFolder.Private(FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete));
            var end = stream.Length;
            if (end > 0)
            {
                // Somebody was killed halfway: what is there ends here.
                stream.Position = end - 1;
                if (stream.ReadByte() != '\n') line = [(byte)'\n', .. line];
            }
            stream.Position = end;
            stream.Write(line);
            Problem = null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Problem = $"the history of inputs cannot be saved: {e.Message}";
        }
    }

    // The newest go to a new file that takes the old one's place: whoever is killed here loses nothing.
    private void Compact(string file)
    {
        try
        {
            using var guard = Guard(file);
            var all = new List<string>();
            using (var stream = new FileStream(file, DataFolder.Private(FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete)))
            {
                var skipped = Math.Max(0, stream.Length - (2 * (long)MaxBytes));
                stream.Position = skipped;
                Read(stream, skipped > 0, all);
            }
            var lines = all.TakeLast(MaxEntries).Select(Line).ToList();
            var (first, bytes) = (lines.Count, 0L);
            while (first > 0 && bytes + lines[first - 1].Length <= MaxBytes) bytes += lines[--first].Length;
            var next = file + ".new";
            File.Delete(next);
            using (var stream = new FileStream(next, DataFolder.Private(FileMode.CreateNew, FileAccess.Write, FileShare.None)))
            {
                foreach (var line in lines[first..]) stream.Write(line);
                stream.Flush(flushToDisk: true);
            }
            File.Move(next, file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Problem = $"the history of inputs cannot be made shorter: {e.Message}";
        }
    }

    // A file beside it is what is locked: the history's own is replaced when it is made shorter.
    private static FileStream Guard(string file)
    {
        var until = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return new FileStream(file + ".lock", DataFolder.Private(FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
            }
            catch (IOException) when (TimeProvider.System.GetElapsedTime(until) < Patience)
            {
                Thread.Sleep(2);
            }
        }
    }

    // What is no entry is passed over: a history is a convenience, and one bad line must not cost the others.
    private static void Read(Stream stream, bool midway, List<string> into)
    {
        var lines = new LineReader(stream, 4 * MaxBytes);
        if (midway) lines.Next();
        while (lines.Next() is { } line)
        {
            if (line.Length > 2 * MaxEntry) continue;
            try
            {
                if (JsonSerializer.Deserialize(line.Span, HistoryJson.Default.String) is { Length: > 0 } text) into.Add(text);
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                // A line that is not whole, or another program's.
            }
        }
    }

    private static byte[] Line(string text) => [.. JsonSerializer.SerializeToUtf8Bytes(text, HistoryJson.Default.String), (byte)'\n'];
}

/// <summary>JSON strings, without reflection.</summary>
[System.Text.Json.Serialization.JsonSerializable(typeof(string))]
internal sealed partial class HistoryJson : System.Text.Json.Serialization.JsonSerializerContext;
