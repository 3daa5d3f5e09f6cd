using System.Text.Json;
using System.Text.RegularExpressions;

namespace WarpDecode.Formats.HuggingFace;

/// <summary>
/// The files of a model as Hugging Face lays them out: config.json, the weights in one safetensors file or in shards with an index,
/// and the tokenizer's files.
/// </summary>
/// <remarks>
/// What the index names and what lies in the folder is subject to the rule of <see cref="ModelFolder"/>, but for a file whose own path
/// the user gave: that one may be a link to anywhere.
/// </remarks>
internal sealed partial class ModelFiles
{
    private const string Index = "model.safetensors.index.json";
    private const string Single = "model.safetensors";
    private const string Extension = ".safetensors";
    private const string IndexExtension = ".safetensors.index.json";

    private readonly ModelFolder contained;
    private readonly string? given; // the name of the file that the user gave

    private ModelFiles(string path, string folder, string? file)
    {
        Path = path;
        Folder = folder;
        given = file;
        contained = new ModelFolder(folder);
        var full = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(folder));
        // In the hub's cache the folder is named by a revision, models--OWNER--NAME/snapshots/REVISION.
        var repository = System.IO.Path.GetFileName(System.IO.Path.GetDirectoryName(System.IO.Path.GetDirectoryName(full)));
        Name = repository?.StartsWith("models--", StringComparison.Ordinal) == true ? repository.Split("--")[^1] : System.IO.Path.GetFileName(full);
    }

    /// <summary>Path as the user gave it.</summary>
    public string Path { get; }

    /// <summary>The folder that the files lie in.</summary>
    public string Folder { get; }

    /// <summary>The model's name, from its folder's.</summary>
    public string Name { get; }

    /// <summary>Whether a path is for this reader: a folder, or a safetensors file or index.</summary>
    public static bool Takes(string path) => Directory.Exists(path) || path.EndsWith(Extension, StringComparison.Ordinal) || path.EndsWith(IndexExtension, StringComparison.Ordinal);

    public static ModelFiles Open(string path)
    {
        if (Directory.Exists(path)) return new ModelFiles(path, path, null);
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
        return new ModelFiles(path, folder, System.IO.Path.GetFileName(path));
    }

    /// <summary>The path of a file of that name, or null if there is none.</summary>
    /// <exception cref="ModelFileException">The name, or the link that it is of, leads out of the folder.</exception>
    public string? Find(string name)
    {
        if (!contained.Contains(name)) return null;
        return name == given ? System.IO.Path.Combine(Folder, name) : contained.Resolve(name);
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
        if (given is not null && Find(given) is null) throw new ModelFileException(MissingModel.NoSuchFile, Path, advice: "Check the path.");
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
            var name = entry.Name;
            var shard = index.TextOf(name, entry.Value);
            if (!PlainName().IsMatch(shard))
                ModelFileException.Throw("shard of tensor", index.Path, name, null, $"the name of a {Extension} file in the same folder", $"'{shard}'",
                    "A model's files lie in its own folder. This index names files elsewhere: do not trust it.");
            shardOf.Add(name, shard);
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

    [GeneratedRegex(@"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,200}\.safetensors$", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex PlainName();

    [GeneratedRegex(@"^(?<name>.+)-\d{5}-of-\d{5}\.safetensors$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ShardName();
}
