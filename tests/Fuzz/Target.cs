using System.Runtime.CompilerServices;
using WarpDecode.Formats;

namespace WarpDecode.Fuzz;

/// <summary>A parser that is fuzzed: what reads an input, and what damages one.</summary>
/// <param name="Name">As the command line names it; also its folder in the corpus.</param>
/// <param name="Extension">Of its files.</param>
/// <param name="Read">Reads an input and all that can be asked of it; refuses with <see cref="ModelFileException"/>.</param>
/// <param name="Mutator">Knows the format.</param>
internal sealed unsafe record Target(string Name, string Extension, Action<MappedFile> Read, Mutator Mutator)
{
    private static byte sink;

    public static Target Gguf { get; } = new("gguf", ".gguf", ReadGguf, new GgufMutator());

    public static Target Safetensors { get; } = new("safetensors", ".safetensors", ReadSafetensors, new SafetensorsMutator());

    public static Target Of(string name) => name switch
    {
        "gguf" => Gguf,
        "safetensors" => Safetensors,
        _ => throw new ArgumentException($"unknown parser '{name}': gguf or safetensors", nameof(name)),
    };

    /// <summary>The committed seeds.</summary>
    public IEnumerable<byte[]> Corpus() => Directory.EnumerateFiles(Path.Combine(Here(), "corpus", Name)).Order(StringComparer.Ordinal).Select(File.ReadAllBytes);

    /// <summary>The folder of this source file.</summary>
    public static string Here([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;

    private static void ReadGguf(MappedFile mapped)
    {
        using var file = new Gguf(mapped);
        _ = GgufShard.Of(file);
        foreach (var tensor in file.Tensors)
        {
            if (tensor.Offset < 0 || tensor.Bytes < 0 || tensor.Bytes > file.Length - tensor.Offset) throw new InvalidOperationException($"{tensor} lies outside of the file");
            if (tensor.Type.RowBytes(tensor.Count) != tensor.Bytes) throw new InvalidOperationException($"{tensor} does not take {tensor.Bytes} bytes");
            if (file.Find(tensor.Name) != tensor) throw new InvalidOperationException($"{tensor} is not found");
            if (tensor.Bytes > 0) sink ^= (byte)(tensor.Data[0] ^ tensor.Data[tensor.Bytes - 1]); // the memory behind the input cannot be read
        }
        var m = file.Metadata;
        foreach (var key in m.Keys)
        {
            if (m.Show(key, 40).Any(char.IsControl)) throw new InvalidOperationException("a value is shown with control characters");
            _ = m.Encoded(key).Length;
            var (type, element, _) = m.Describe(key);
            switch (type)
            {
                case MetadataType.String:
                    _ = m.GetString(key);
                    break;
                case MetadataType.Bool:
                    _ = m.GetBool(key);
                    break;
                case MetadataType.Array:
                    if (element == MetadataType.String) _ = m.GetStrings(key);
                    else if (element == MetadataType.Bool) _ = m.GetBools(key);
                    else if (element == MetadataType.Float32) _ = m.GetSingles(key);
                    else if (element is not (MetadataType.Array or MetadataType.Float64)) _ = m.GetIntegers(key);
                    break;
                default:
                    _ = m.GetNumber(key);
                    break;
            }
        }
    }

    private static void ReadSafetensors(MappedFile mapped)
    {
        using var file = new Safetensors(mapped);
        var sum = 0L;
        foreach (var tensor in file.Tensors)
        {
            if (tensor.Offset < 8 || tensor.Bytes < 0 || tensor.Bytes > file.Length - tensor.Offset) throw new InvalidOperationException($"{tensor.Name} lies outside of the file");
            if (tensor.Bytes > 0) sink ^= (byte)(file.Start[tensor.Offset] ^ file.Start[tensor.Offset + tensor.Bytes - 1]);
            sum += tensor.Bytes;
        }
        if (sum > file.Length - 8) throw new InvalidOperationException($"tensors of {sum} bytes in a file of {file.Length}"); // some overlap
    }
}
