using System.Text.Json;
using System.Text.RegularExpressions;

namespace WarpDecode.Formats.HuggingFace;

/// <summary>
/// The files of a model as Hugging Face lays them out: config.json, the weights in one safetensors file or in shards with an index,
/// and the tokenizer's files.
/// </summary>
/// <remarks>
/// What a folder names or links to stays inside it: a shard's name is a plain file name, and where links lead must lie in the folder.
/// The one exception is the hub's own cache, whose folders <c>models--OWNER--NAME/snapshots/REVISION</c> link to the files in
/// <c>models--OWNER--NAME/blobs</c>: for a folder in a place so named, that one is allowed too. A file whose own path the user gave may
/// lie anywhere.
/// </remarks>
internal sealed partial class ModelFolder
{
    private const string Index = "model.safetensors.index.json";
    private const string Single = "model.safetensors";
    private const string Extension = ".safetensors";
    private const string IndexExtension = ".safetensors.index.json";
    private const int MostLinks = 40; // as many as Linux follows
    private const string LinkAdvice = "A model's folder may only hold and link to its own files: copy the file into it.";

    private readonly string root;     // the folder, links resolved
    private readonly string? blobs;   // where else links may lead
    private readonly string? given;   // the file that the user named

    private ModelFolder(string path, string folder, string? file)
    {
        Path = path;
        Folder = folder;
        given = file;
        root = Real(folder);
        if (System.IO.Path.GetDirectoryName(root) is { } parent && System.IO.Path.GetFileName(parent) == "snapshots"
            && System.IO.Path.GetDirectoryName(parent) is { } repository)
        {
            blobs = System.IO.Path.Combine(repository, "blobs");
            Name = System.IO.Path.GetFileName(repository).Split("--")[^1];
        }
        else
        {
            Name = System.IO.Path.GetFileName(root);
        }
    }

    /// <summary>Path as the user gave it.</summary>
    public string Path { get; }

    /// <summary>The folder that the files lie in.</summary>
    public string Folder { get; }

    /// <summary>The model's name, from its folder's.</summary>
    public string Name { get; }

    /// <summary>Whether a path is for this reader: a folder, or a safetensors file or index.</summary>
    public static bool Takes(string path) => Directory.Exists(path) || path.EndsWith(Extension, StringComparison.Ordinal) || path.EndsWith(IndexExtension, StringComparison.Ordinal);

    public static ModelFolder Open(string path)
    {
        if (Directory.Exists(path)) return new ModelFolder(path, path, null);
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
        return new ModelFolder(path, folder, System.IO.Path.GetFileName(path));
    }

    /// <summary>The path of a file of that name, or null if there is none.</summary>
    /// <exception cref="ModelFileException">It is a link that leads out of the folder.</exception>
    public string? Find(string name)
    {
        var path = System.IO.Path.Combine(Folder, name);
        if (!File.Exists(path)) return null;
        var target = Real(path);
        if (name != given && !IsWithin(target, root) && !(blobs is not null && IsWithin(target, blobs)))
            ModelFileException.Throw("leads out of the model's folder:", path, null, null, $"a file in {root}", target, LinkAdvice);
        return path;
    }

    /// <summary>A JSON file, or null if there is none of that name.</summary>
    public JsonFile? FindJson(string name) => Find(name) is { } path ? JsonFile.Read(path) : null;

    /// <summary>config.json.</summary>
    public JsonFile Config()
    {
        if (FindJson("config.json") is { } config) return config;
        if (Directory.Exists(Path))
            throw new ModelFileException("is a folder without a config.json", Path, advice: "Give the path of a .gguf file, or of a folder that holds a model as Hugging Face lays it out.");
        throw new ModelFileException("has no config.json beside it", Path, advice: "Safetensors files hold weights alone: put the model's config.json and tokenizer files into the same folder.");
    }

    /// <summary>Opens the files with weights; the caller disposes of them.</summary>
    public IReadOnlyList<Safetensors> OpenWeights()
    {
        var index = given is null ? Find(Index)
            : given.EndsWith(IndexExtension, StringComparison.Ordinal) ? Find(given)
            : ShardName().Match(given) is { Success: true } shard ? Find(shard.Groups["name"].Value + IndexExtension)
            : null;
        if (given is not null && Find(given) is null) throw new ModelFileException("no such file", Path, advice: "Check the path.");
        if (index is not null) return OpenShards(JsonFile.Read(index));
        return [new Safetensors(Find(given ?? OnlyFile())!)];
    }

    private string OnlyFile()
    {
        if (Find(Single) is not null) return Single;
        var files = Directory.EnumerateFiles(Folder, "*" + Extension).Take(2).ToArray();
        if (files.Length == 1) return System.IO.Path.GetFileName(files[0]);
        ModelFileException.Throw("is a folder", Path, null, null, $"{Index}, or one {Extension} file", files.Length == 0 ? "none" : $"several {Extension} files and no index",
            files.Length == 0 ? "Download the model's weights too." : "Give the path of the file to open, or download the model's index too.");
        return "";
    }

    private List<Safetensors> OpenShards(JsonFile index)
    {
        if (!index.TryGet("weight_map", out var map) || map.ValueKind != JsonValueKind.Object) index.Wrong("weight_map", "an object", map);
        var shardOf = new Dictionary<string, string>(StringComparer.Ordinal);
        var names = new List<string>();
        foreach (var entry in map.EnumerateObject())
        {
            var shard = index.TextOf(entry.Name, entry.Value);
            if (!PlainName().IsMatch(shard))
                ModelFileException.Throw("shard of tensor", index.Path, entry.Name, null, $"the name of a {Extension} file in the same folder", $"'{shard}'", LinkAdvice);
            shardOf.Add(entry.Name, shard);
            if (names.Contains(shard, StringComparer.Ordinal)) continue;
            names.Add(shard);
            if (names.Count > Limits.Shards)
                ModelFileException.Throw("number of shards", index.Path, null, null, $"at most {Limits.Shards}", "more", "The file is damaged.");
        }
        var shards = new List<Safetensors>();
        try
        {
            var found = 0;
            foreach (var name in names)
            {
                if (Find(name) is not { } path)
                    throw new ModelFileException("names a shard that is not there:", index.Path, name, advice: "The model is incomplete: download the missing files.");
                var shard = new Safetensors(path);
                shards.Add(shard);
                foreach (var tensor in shard.Tensors)
                {
                    found++;
                    if (shardOf.TryGetValue(tensor.Name, out var owner) && owner == name) continue;
                    ModelFileException.Throw("shard holds tensor", path, tensor.Name, tensor.Offset, owner is null ? "a tensor of the index" : $"it in {owner}, where the index has it", "another",
                        "The shards and the index are not of one model: download them again.");
                }
            }
            if (found != shardOf.Count)
            {
                var missing = shardOf.Keys.Except(shards.SelectMany(s => s.Tensors).Select(t => t.Name), StringComparer.Ordinal).First();
                ModelFileException.Throw("tensor is not in its shard:", index.Path, missing, null, $"it in {shardOf[missing]}", "no such tensor",
                    "The shards and the index are not of one model: download them again.");
            }
            return shards;
        }
        catch
        {
            foreach (var shard in shards) shard.Dispose();
            throw;
        }
    }

    private static bool IsWithin(string path, string folder) =>
        path.StartsWith(folder.EndsWith(System.IO.Path.DirectorySeparatorChar) ? folder : folder + System.IO.Path.DirectorySeparatorChar, StringComparison.Ordinal);

    /// <summary>A path with every link in it resolved, those of its folders too.</summary>
    private static string Real(string path)
    {
        var full = System.IO.Path.GetFullPath(path);
        for (var links = 0; ; links++)
        {
            if (links > MostLinks) throw new ModelFileException("cannot be opened: too many links, one behind the other", path, advice: "Check where the links lead.");
            if (Resolve(full) is not { } next) return full;
            full = next;
        }
    }

    // The path with its first link replaced by what it leads to, or null if it has none.
    private static string? Resolve(string full)
    {
        var top = System.IO.Path.GetPathRoot(full)!;
        var at = top;
        var parts = full[top.Length..].Split(System.IO.Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);
        for (var i = 0; i < parts.Length; i++)
        {
            var here = System.IO.Path.Combine(at, parts[i]);
            if (new FileInfo(here).LinkTarget is { } target)
                return System.IO.Path.GetFullPath(System.IO.Path.Combine([at, target, .. parts[(i + 1)..]]));
            at = here;
        }
        return null;
    }

    [GeneratedRegex(@"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,200}\.safetensors$", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex PlainName();

    [GeneratedRegex(@"^(?<name>.+)-\d{5}-of-\d{5}\.safetensors$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ShardName();
}
