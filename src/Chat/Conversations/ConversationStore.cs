using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;

namespace WarpDecode.Chat.Conversations;

/// <summary>What a list of conversations shows of one.</summary>
/// <param name="Path">Its file.</param>
/// <param name="Id">What names it for good.</param>
/// <param name="Time">When something was last said in it.</param>
/// <param name="Title">Its title.</param>
/// <param name="Name">The name it was saved under, if it was.</param>
/// <param name="Messages">Messages of all its branches.</param>
/// <param name="Model">Name of the model that answered last, if that is known.</param>
/// <param name="Problem">Why it cannot be opened; null if it can.</param>
internal sealed record ConversationSummary(
    string Path, string Id, DateTimeOffset Time, string Title, string? Name, int Messages, string? Model, string? Problem);

/// <summary>The conversations of a person.</summary>
/// <param name="folder">Where their files are.</param>
/// <param name="time">The clock.</param>
internal sealed class ConversationStore(string folder, TimeProvider time)
{
    private readonly Dictionary<string, ((DateTime LastWriteTimeUtc, long Length) State, ConversationSummary Summary)> known = new(StringComparer.Ordinal);

    public string Folder => folder;

    /// <summary>A new conversation.</summary>
    public ConversationFile Create(ModelIdentity? model) => ConversationFile.Create(folder, model, time);

    /// <summary>The conversations, newest first; each is read when it is asked for.</summary>
    public IEnumerable<ConversationSummary> List() => Paths().Select(Summarize);

    /// <summary>The newest one that can be read, of any model; null if there is none.</summary>
    public ConversationSummary? Newest() => List().FirstOrDefault(s => s.Problem is null);

    /// <summary>Opens by name, or by id or the beginning of one.</summary>
    /// <exception cref="ConversationException">There is none, or more than one; or it is open elsewhere or damaged.</exception>
    public ConversationFile Open(string nameOrId) => ConversationFile.Open(Find(nameOrId));

    /// <summary>Opens what a person names: a file of ours (.jsonl), a file of messages (.json) as a new conversation, or a name or id as <see cref="Open"/> does.</summary>
    /// <exception cref="ConversationException">There is none, or it is open elsewhere or damaged.</exception>
    public ConversationFile Load(string what)
    {
        var path = DataFolder.Expand(what);
        switch (Path.GetExtension(path).ToLowerInvariant())
        {
            case ConversationFile.Extension when File.Exists(path):
                return ConversationFile.Open(path);
            case ".json" when File.Exists(path):
                var imported = new ConversationTree();
                ConversationImport.Read(imported, path, time);
                var file = Create(null);
                foreach (var record in imported.Records()) file.Tree.Do(record);
                return file;
            default:
                return Open(what);
        }
    }

    /// <summary>Saves under a name, or, where the name is a path that ends in .jsonl, a copy there; what was done, in words.</summary>
    /// <exception cref="ConversationException">The name is another's, or there is a file already.</exception>
    public string Save(ConversationFile conversation, string what)
    {
        if (!what.EndsWith(ConversationFile.Extension, StringComparison.OrdinalIgnoreCase))
        {
            Name(conversation, what);
            return $"saved as {what}: /load {what} opens it";
        }
        var path = DataFolder.Expand(what);
        if (File.Exists(path)) throw new ConversationException($"there is a file '{ConversationTree.OneLine(path, 200)}' already", "Give another name.");
        var now = time.GetUtcNow();
        conversation.CopyTo(path, NewId(now), now);
        return $"a copy is in {ConversationTree.OneLine(path, 200)}";
    }

    /// <summary>Where the conversation of this name, or of this id or beginning of one, is.</summary>
    /// <exception cref="ConversationException">There is none, or more than one.</exception>
    public string Find(string nameOrId)
    {
        var shown = ConversationTree.OneLine(nameOrId, 80);
        if (nameOrId.Length == 0) throw new ConversationException("no conversation was named", "Give a name, or the beginning of an id.");
        if (List().FirstOrDefault(s => s.Name == nameOrId) is { } named) return named.Path;
        var found = Paths().Where(p => Id(p).StartsWith(nameOrId, StringComparison.Ordinal)).Take(2).ToList();
        return found switch
        {
            [var one] => one,
            [] => throw new ConversationException($"there is no conversation '{shown}'", "Give the name it was saved under, or the beginning of its id."),
            _ => found.Find(p => Id(p) == nameOrId)
                ?? throw new ConversationException($"more than one conversation begins with '{shown}'", $"Give more of it: {Id(found[0])} and {Id(found[1])} are two."),
        };
    }

    /// <summary>Gives a conversation a name under which it is found; the one that had the name before keeps it.</summary>
    /// <exception cref="ConversationException">The name is another's, or no name.</exception>
    public void Name(ConversationFile conversation, string name)
    {
        if (ConversationTree.BadName(name) is { } why)
            throw new ConversationException($"'{ConversationTree.OneLine(name, 80)}' is no name for a conversation: {why}", "Give it another name.");
        if (List().FirstOrDefault(s => s.Name == name && s.Id != conversation.Id) is { } other)
            throw new ConversationException($"the name '{name}' is that of '{other.Title}'", "Give this one another name.");
        conversation.Tree.SetName(name);
    }

    /// <summary>Copies a conversation as it is now to a new one, and opens that.</summary>
    public ConversationFile Copy(ConversationFile conversation)
    {
        DataFolder.Create(folder);
        var now = time.GetUtcNow();
        var id = NewId(now);
        var path = Path.Combine(folder, id + ConversationFile.Extension);
        conversation.CopyTo(path, id, now);
        return ConversationFile.Open(path);
    }

    /// <summary>Names that complete what a person begins to type after <c>/load</c>, newest first: names first, then ids.</summary>
    public IEnumerable<(string Text, string Help)> Completions(string beginning, int most)
    {
        var all = List().Where(s => s.Problem is null).Take(200).ToList();
        return all.Where(s => s.Name?.StartsWith(beginning, StringComparison.Ordinal) == true).Select(s => (s.Name!, s.Title))
            .Concat(all.Where(s => s.Id.StartsWith(beginning, StringComparison.Ordinal)).Select(s => (s.Id, s.Title)))
            .Take(most);
    }

    /// <summary>An id that sorts by time: <c>20261128-051203-7f3a9c</c>.</summary>
    internal static string NewId(DateTimeOffset now)
    {
        Span<byte> random = stackalloc byte[4];
        RandomNumberGenerator.Fill(random);
        return string.Create(CultureInfo.InvariantCulture, $"{now.UtcDateTime:yyyyMMdd-HHmmss}-{BinaryPrimitives.ReadUInt32LittleEndian(random) & 0xFFFFFF:x6}");
    }

    private static string Id(string path) => Path.GetFileNameWithoutExtension(path);

    private IEnumerable<string> Paths()
    {
        if (!Directory.Exists(folder)) return [];
        return new DirectoryInfo(folder).EnumerateFiles("*" + ConversationFile.Extension)
            .OrderByDescending(f => f.LastWriteTimeUtc).ThenByDescending(f => f.Name, StringComparer.Ordinal)
            .Select(f => f.FullName);
    }

    // A file that did not change is not read again: completion asks with every key.
    private ConversationSummary Summarize(string path)
    {
        var info = new FileInfo(path);
        if (!info.Exists) return new ConversationSummary(path, Id(path), default, "(gone)", null, 0, null, "the file is gone");
        var state = (info.LastWriteTimeUtc, info.Length);
        if (known.TryGetValue(path, out var k) && k.State == state) return k.Summary;
        var summary = Read(path, new DateTimeOffset(state.LastWriteTimeUtc, TimeSpan.Zero));
        if (summary.Problem is null) known[path] = (state, summary);
        return summary;
    }

    private static ConversationSummary Read(string path, DateTimeOffset written)
    {
        try
        {
            using var file = ConversationFile.Peek(path);
            return new ConversationSummary(
                path, Id(path), file.Tree.Messages.Count > 0 ? file.Tree.Messages[^1].Info.Time : written,
                file.Tree.Title, file.Tree.Name, file.Tree.Messages.Count, file.Tree.Model?.Name, null);
        }
        catch (Exception e) when (e is ConversationException or IOException or UnauthorizedAccessException)
        {
            return new ConversationSummary(path, Id(path), written, "(cannot be read)", null, 0, null, e.Message);
        }
    }
}
