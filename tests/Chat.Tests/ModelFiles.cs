using WarpDecode.Formats;

namespace WarpDecode.Chat.Tests;

/// <summary>Model files made of the tiny model, deleted when the tests of a class are done.</summary>
public sealed class ModelFiles : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("wd-chat-");

    public string Folder => folder.FullName;

    /// <summary>The tokenizer of the tiny model, and no weights.</summary>
    public string VocabularyOnly => Made("vocabulary.gguf", weights: false, keep: key => key != "tokenizer.chat_template");

    /// <summary>The tokenizer of the tiny model, and a matrix of each of two types that a GPU has no lanes for.</summary>
    public string WithoutLanes => Made("no-lanes.gguf", weights: false, keep: _ => true, writer =>
    {
        writer.Add("a.weight", WeightType.IQ2_XS, [256, 1024], to => to.Write(new byte[256 * 4 * 74]));
        writer.Add("b.weight", WeightType.F64, [256, 1024], to => to.Write(new byte[256 * 1024 * 8]));
    });

    /// <summary>The tiny model without its chat template.</summary>
    public string WithoutTemplate => Made("no-template.gguf", weights: true, keep: key => key != "tokenizer.chat_template");

    /// <summary>The tiny model without a tokenizer.</summary>
    public string WithoutTokenizer => Made("no-tokenizer.gguf", weights: true, keep: key => !key.StartsWith("tokenizer.", StringComparison.Ordinal));

    /// <summary>The tiny model with a tokenizer of a kind that is not supported.</summary>
    public string UnknownTokenizer => Made("unknown-tokenizer.gguf", weights: true, keep: key => key != "tokenizer.ggml.model", w => w.Add("tokenizer.ggml.model", "no-such-kind"));

    /// <summary>The tiny model with a template that cannot be rendered.</summary>
    public string StrangeTemplate => Made("template.gguf", weights: true, keep: key => key != "tokenizer.chat_template", w => w.Add("tokenizer.chat_template", "{{ magic() }}"));

    /// <summary>The tiny model, whose makers suggest a sampler that there is not, and mirostat 1.</summary>
    public string StrangeSampling => Made("sampling.gguf", weights: true, keep: _ => true, w =>
    {
        w.Add("general.sampling.sequence", "top_k;best");
        w.Add("general.sampling.mirostat", 1u);
    });

    /// <summary>The tiny model, said to be of an architecture that does not exist.</summary>
    public string UnknownArchitecture => Made("architecture.gguf", weights: true, keep: _ => true, architecture: "no-such-architecture");

    /// <summary>The tiny model, cut off in the middle.</summary>
    public string Truncated => Write("truncated.gguf", File.ReadAllBytes(WdRun.Model)[..1_000_000]);

    /// <summary>A file that is no model.</summary>
    public string Garbage => Write("garbage.gguf", [.. "This is no model file."u8]);

    /// <summary>The tiny model with a last norm of NaN.</summary>
    public string NotANumber
    {
        get
        {
            var bytes = File.ReadAllBytes(WdRun.Model);
            using var file = ModelFile.Open(WdRun.Model);
            var norm = file.Find("output_norm.weight")!;
            bytes.AsSpan((int)norm.Offset, (int)norm.Bytes).Fill(0xFF);
            return Write("nan.gguf", bytes);
        }
    }

    public string Write(string name, byte[] bytes)
    {
        var path = Path.Combine(Folder, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    public void Dispose() => folder.Delete(recursive: true);

    private string Made(string name, bool weights, Func<string, bool> keep, Action<GgufWriter>? more = null, string? architecture = null)
    {
        using var file = ModelFile.Open(WdRun.Model);
        var writer = new GgufWriter(architecture ?? file.Metadata.GetString("general.architecture"));
        foreach (var key in file.Metadata.Keys.Where(key => key != "general.architecture" && keep(key))) writer.Copy(file.Metadata, key);
        more?.Invoke(writer);
        if (weights)
        {
            foreach (var t in file.Tensors) writer.Add(t.Name, t.Type, [.. t.Shape], s => Copy(t, s));
        }
        var path = Path.Combine(Folder, name);
        using var stream = File.Create(path);
        writer.Write(stream);
        return path;
    }

    private static unsafe void Copy(TensorView tensor, Stream to) => to.Write(new ReadOnlySpan<byte>(tensor.Data, (int)tensor.Bytes));
}
