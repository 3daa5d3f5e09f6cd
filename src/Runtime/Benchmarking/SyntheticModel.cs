using System.Globalization;
using System.Runtime.InteropServices;
using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Runtime.Quantization;

namespace WarpDecode.Runtime.Benchmarking;

/// <summary>
/// A model of known shapes with random weights, made in memory: <c>NAME[:TYPE][:layers]</c>. See <see cref="SyntheticWeights"/> for how
/// these are drawn.
/// </summary>
/// <param name="Shape">Its shapes.</param>
/// <param name="Mix">How the weights are stored.</param>
/// <param name="Layers">Layers, at most as many as the shapes have.</param>
internal sealed record SyntheticModel(SyntheticShape Shape, WeightMix Mix, int Layers)
{
    /// <summary>As the user types it.</summary>
    public string Name => $"{Shape.Name}:{Mix.Name}" + (Layers == Shape.Layers ? "" : $":{Layers}");

    /// <summary>Reads <c>NAME[:TYPE][:layers]</c>; the default type is Q4_K_M.</summary>
    /// <exception cref="ArgumentException">Not a model that can be made; the message says which can.</exception>
    public static SyntheticModel Parse(string text)
    {
        var parts = text.Split(':');
        if (SyntheticShape.Missing.TryGetValue(parts[0], out var architecture))
        {
            throw new ArgumentException(
                $"the synthetic model {parts[0]} is of architecture '{architecture}', which this runtime cannot run yet; it can make {string.Join(", ", SyntheticShape.All.Select(s => s.Name))}");
        }
        var shape = SyntheticShape.All.FirstOrDefault(s => s.Name == parts[0])
            ?? throw new ArgumentException($"there is no synthetic model '{parts[0]}', only {string.Join(", ", SyntheticShape.All.Select(s => s.Name))}");
        var (mix, layers, rest) = (WeightMix.Default, shape.Layers, parts[1..]);
        if (rest is [var type, ..] && !int.TryParse(type, NumberStyles.None, CultureInfo.InvariantCulture, out _))
        {
            mix = WeightMix.All.FirstOrDefault(m => string.Equals(m.Name, type, StringComparison.OrdinalIgnoreCase))
                ?? throw new ArgumentException($"synthetic weights are {string.Join(", ", WeightMix.All.Select(m => m.Name))}, not '{type}'");
            rest = rest[1..];
        }
        if (rest is [var count, ..])
        {
            if (!int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out layers) || layers < 1 || layers > shape.Layers)
                throw new ArgumentException($"{shape.Name} has 1 to {shape.Layers} layers, not '{count}'");
            rest = rest[1..];
        }
        return rest.Length == 0 ? new SyntheticModel(shape, mix, layers) : throw new ArgumentException($"a synthetic model is NAME[:TYPE][:layers], not '{text}'");
    }

    /// <summary>The model with its norms, all other weights zero and taking no memory yet.</summary>
    /// <exception cref="IOException">The system has no room for it.</exception>
    public ModelFile MakeHollow() => ModelFile.InMemory($"synthetic {Name}", Writer());

    /// <summary>Writes the hollow model to a file, sparse where the file system can: its weights are holes.</summary>
    public void Write(string path)
    {
        using var stream = File.Create(path);
        var writer = Writer();
        writer.Write(stream);
        stream.SetLength(writer.Length); // should the end be a hole
    }

    /// <summary>Gives a hollow model its weights.</summary>
    public static void Fill(ModelFile hollow, IProgress<LoadProgress>? progress, CancellationToken cancellation)
    {
        var (done, total) = (0L, hollow.Tensors.Sum(t => t.Bytes));
        foreach (var tensor in hollow.Tensors)
        {
            if (tensor.Shape.Count > 1) SyntheticWeights.Fill(tensor, cancellation);
            progress?.Report(new LoadProgress(done += tensor.Bytes, total));
        }
    }

    private GgufWriter Writer()
    {
        if (Mix.Target is not { } target) return Writer(_ => Mix.Type);
        // What a tensor gets depends on what else there is.
        using var plan = ModelFile.InMemory($"synthetic {Name}", Writer(_ => Mix.Type));
        var rules = new TypeMix(plan, new QuantizeOptions { Target = target }, hasImportance: false);
        return Writer(name => rules.Choose(plan.Find(name)!, out _));
    }

    private GgufWriter Writer(Func<string, WeightType> typeOf)
    {
        var (s, isMixtral) = (Shape, Shape.Architecture == SyntheticShape.Mixtral);
        var writer = new GgufWriter(s.Architecture).Add("general.name", $"synthetic {Name}");
        void Number(string key, int value) => writer.Add($"{s.Architecture}.{key}", (uint)value);
        Number("block_count", Layers);
        Number("context_length", s.Context);
        Number("embedding_length", s.Hidden);
        Number("attention.head_count", s.Heads);
        Number("attention.head_count_kv", s.KvHeads);
        Number("attention.key_length", s.HeadDim);
        Number("attention.value_length", s.HeadDim);
        Number("expert_count", s.Experts);
        Number("expert_used_count", s.TopK);
        Number(isMixtral ? "feed_forward_length" : "expert_feed_forward_length", s.Ff);
        if (isMixtral) Number("rope.dimension_count", s.HeadDim);
        writer.Add($"{s.Architecture}.attention.layer_norm_rms_epsilon", isMixtral ? 1e-5f : 1e-6f);
        writer.Add($"{s.Architecture}.rope.freq_base", 1e6f);
        void Hole(string name, WeightType type, params long[] shape) =>
            writer.Add(name, type, shape, stream => stream.Seek(type.RowBytes(shape.Aggregate(1L, (a, b) => a * b)), SeekOrigin.Current));
        void Matrix(string name, params long[] shape) => Hole(name, typeOf(name), shape);
        void Ones(string name, int length) =>
            writer.Add(name, WeightType.F32, [length], stream => stream.Write(MemoryMarshal.AsBytes(Enumerable.Repeat(1f, length).ToArray().AsSpan())));

        Matrix("token_embd.weight", s.Vocabulary, s.Hidden);
        for (var i = 0; i < Layers; i++)
        {
            Ones($"blk.{i}.attn_norm.weight", s.Hidden);
            Matrix($"blk.{i}.attn_q.weight", s.Heads * s.HeadDim, s.Hidden);
            Matrix($"blk.{i}.attn_k.weight", s.KvHeads * s.HeadDim, s.Hidden);
            Matrix($"blk.{i}.attn_v.weight", s.KvHeads * s.HeadDim, s.Hidden);
            Matrix($"blk.{i}.attn_output.weight", s.Hidden, s.Heads * s.HeadDim);
            if (!isMixtral)
            {
                Ones($"blk.{i}.attn_q_norm.weight", s.HeadDim);
                Ones($"blk.{i}.attn_k_norm.weight", s.HeadDim);
            }
            Ones($"blk.{i}.ffn_norm.weight", s.Hidden);
            Hole($"blk.{i}.ffn_gate_inp.weight", WeightType.F32, s.Experts, s.Hidden);
            Matrix($"blk.{i}.ffn_gate_exps.weight", s.Experts, s.Ff, s.Hidden);
            Matrix($"blk.{i}.ffn_up_exps.weight", s.Experts, s.Ff, s.Hidden);
            Matrix($"blk.{i}.ffn_down_exps.weight", s.Experts, s.Hidden, s.Ff);
        }
        Ones("output_norm.weight", s.Hidden);
        Matrix("output.weight", s.Vocabulary, s.Hidden);
        return writer;
    }
}

/// <summary>How a synthetic model's weights are stored: all in one type, or as <c>wd-run quantize</c> mixes types.</summary>
/// <param name="Name">As the user types it.</param>
/// <param name="Type">Type of all weights, or of most.</param>
/// <param name="Target">The mixture, or null for one type.</param>
internal sealed record WeightMix(string Name, WeightType Type, QuantizeTarget? Target)
{
    /// <summary>All that there are: every type that can be written, then the mixtures that have names of their own.</summary>
    public static IReadOnlyList<WeightMix> All { get; } =
    [
        .. SyntheticWeights.Types.Select(type => new WeightMix($"{type}", type, null)),
        .. QuantizeTarget.All.Where(target => SyntheticWeights.Types.All(type => $"{type}" != target.Name)).Select(target => new WeightMix(target.Name, target.Type, target)),
    ];

    /// <summary>What is taken where none is named.</summary>
    public static WeightMix Default { get; } = All.First(mix => mix.Name == "Q4_K_M");
}

/// <summary>Shapes of a model, as its makers published them.</summary>
internal sealed record SyntheticShape(
    string Name, int Layers, int Hidden, int Heads, int KvHeads, int HeadDim, int Ff, int Experts, int TopK, int Vocabulary, int Context)
{
    /// <summary>The architecture of Mixtral, by the name that its files give it.</summary>
    public const string Mixtral = "llama";

    /// <summary>Architecture as a file names it.</summary>
    public string Architecture { get; init; } = "qwen3moe";

    /// <summary>Those that this runtime can run. The first is nobody's: small enough for any machine, and more than caches hold.</summary>
    public static IReadOnlyList<SyntheticShape> All { get; } =
    [
        new("small", 8, 1024, 16, 4, 64, 512, 32, 4, 32_000, 8192),
        new("qwen3-30b-a3b", 48, 2048, 32, 4, 128, 768, 128, 8, 151_936, 40_960),
        new("qwen3-235b-a22b", 94, 4096, 64, 4, 128, 1536, 128, 8, 151_936, 40_960),
        new("mixtral-8x7b", 32, 4096, 32, 8, 128, 14_336, 8, 2, 32_000, 32_768) { Architecture = Mixtral },
        new("mixtral-8x22b", 56, 6144, 48, 8, 128, 16_384, 8, 2, 32_768, 65_536) { Architecture = Mixtral },
    ];

    /// <summary>Models that people ask for, with the architecture that is missing for them.</summary>
    public static IReadOnlyDictionary<string, string> Missing { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["gpt-oss-20b"] = "gpt-oss",
        ["gpt-oss-120b"] = "gpt-oss",
        ["deepseek-v2-lite"] = "deepseek2",
    };
}
