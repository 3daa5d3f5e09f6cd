using System.Globalization;
using System.Runtime.InteropServices;
using WarpDecode.Formats;
using WarpDecode.Kernels;

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
        var (mix, layers, rest) = (WeightMix.All[^1], shape.Layers, parts[1..]);
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

    /// <summary>Bytes of the model.</summary>
    public long Bytes => Writer().Length;

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
        var s = Shape;
        var writer = new GgufWriter("qwen3moe")
            .Add("general.name", $"synthetic {Name}")
            .Add("qwen3moe.block_count", (uint)Layers)
            .Add("qwen3moe.context_length", (uint)s.Context)
            .Add("qwen3moe.embedding_length", (uint)s.Hidden)
            .Add("qwen3moe.attention.head_count", (uint)s.Heads)
            .Add("qwen3moe.attention.head_count_kv", (uint)s.KvHeads)
            .Add("qwen3moe.attention.key_length", (uint)s.HeadDim)
            .Add("qwen3moe.attention.value_length", (uint)s.HeadDim)
            .Add("qwen3moe.attention.layer_norm_rms_epsilon", 1e-6f)
            .Add("qwen3moe.rope.freq_base", 1e6f)
            .Add("qwen3moe.expert_count", (uint)s.Experts)
            .Add("qwen3moe.expert_used_count", (uint)s.TopK)
            .Add("qwen3moe.expert_feed_forward_length", (uint)s.Ff);
        void Hole(string name, WeightType type, params long[] shape) =>
            writer.Add(name, type, shape, stream => stream.Seek(type.RowBytes(shape.Aggregate(1L, (a, b) => a * b)), SeekOrigin.Current));
        void Ones(string name, int length) =>
            writer.Add(name, WeightType.F32, [length], stream => stream.Write(MemoryMarshal.AsBytes(Enumerable.Repeat(1f, length).ToArray().AsSpan())));

        Hole("token_embd.weight", Mix.Most, s.Vocabulary, s.Hidden);
        for (var i = 0; i < Layers; i++)
        {
            // The layers that llama.cpp gives more bits in a mixture.
            var more = i < Layers / 8 || i >= 7 * Layers / 8 || (i - (Layers / 8)) % 3 == 2 ? Mix.More : Mix.Most;
            Ones($"blk.{i}.attn_norm.weight", s.Hidden);
            Hole($"blk.{i}.attn_q.weight", Mix.Most, s.Heads * s.HeadDim, s.Hidden);
            Hole($"blk.{i}.attn_k.weight", Mix.Most, s.KvHeads * s.HeadDim, s.Hidden);
            Hole($"blk.{i}.attn_v.weight", more, s.KvHeads * s.HeadDim, s.Hidden);
            Hole($"blk.{i}.attn_output.weight", Mix.Most, s.Hidden, s.Heads * s.HeadDim);
            Ones($"blk.{i}.attn_q_norm.weight", s.HeadDim);
            Ones($"blk.{i}.attn_k_norm.weight", s.HeadDim);
            Ones($"blk.{i}.ffn_norm.weight", s.Hidden);
            Hole($"blk.{i}.ffn_gate_inp.weight", WeightType.F32, s.Experts, s.Hidden);
            Hole($"blk.{i}.ffn_gate_exps.weight", Mix.Most, s.Experts, s.Ff, s.Hidden);
            Hole($"blk.{i}.ffn_up_exps.weight", Mix.Most, s.Experts, s.Ff, s.Hidden);
            Hole($"blk.{i}.ffn_down_exps.weight", more, s.Experts, s.Hidden, s.Ff);
        }
        Ones("output_norm.weight", s.Hidden);
        Hole("output.weight", Mix.More, s.Vocabulary, s.Hidden);
        return writer;
    }
}

/// <summary>How a synthetic model's weights are stored: all in one type, or a part of them in one with more bits.</summary>
/// <param name="Name">As the user types it.</param>
/// <param name="Most">Type of most weights.</param>
/// <param name="More">Type of the head, and of the values and down projections of some layers.</param>
internal sealed record WeightMix(string Name, WeightType Most, WeightType More)
{
    /// <summary>All that there are, the default last.</summary>
    public static IReadOnlyList<WeightMix> All { get; } =
        [.. SyntheticWeights.Types.Select(type => new WeightMix($"{type}", type, type)), new WeightMix("Q4_K_M", WeightType.Q4_K, WeightType.Q6_K)];
}

/// <summary>Shapes of a model, as its makers published them.</summary>
internal sealed record SyntheticShape(
    string Name, int Layers, int Hidden, int Heads, int KvHeads, int HeadDim, int Ff, int Experts, int TopK, int Vocabulary, int Context)
{
    /// <summary>Those that this runtime can run. The first is nobody's: small enough for any machine, and more than caches hold.</summary>
    public static IReadOnlyList<SyntheticShape> All { get; } =
    [
        new("small", 8, 1024, 16, 4, 64, 512, 32, 4, 32_000, 8192),
        new("qwen3-30b-a3b", 48, 2048, 32, 4, 128, 768, 128, 8, 151_936, 40_960),
        new("qwen3-235b-a22b", 94, 4096, 64, 4, 128, 1536, 128, 8, 151_936, 40_960),
    ];

    /// <summary>Models that people ask for, with the architecture that is missing for them.</summary>
    public static IReadOnlyDictionary<string, string> Missing { get; } = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["gpt-oss-20b"] = "gpt-oss",
        ["gpt-oss-120b"] = "gpt-oss",
        ["mixtral-8x7b"] = "llama",
        ["deepseek-v2-lite"] = "deepseek2",
    };
}
