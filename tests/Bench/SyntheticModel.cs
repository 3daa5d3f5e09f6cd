using System.Runtime.InteropServices;
using WarpDecode.Formats;

namespace WarpDecode.Bench;

/// <summary>
/// A qwen3moe file with random weights, scaled so that activations stay finite and routing spreads: for speed, not for sense.
/// </summary>
internal sealed record SyntheticModel(int Layers, int Hidden, int Heads, int KvHeads, int HeadDim, int Ff, int Experts, int TopK, int Vocabulary)
{
    /// <summary>428 MB as Q8_0, of which a token reads about 120: far more than any cache holds.</summary>
    public static SyntheticModel Small { get; } = new(8, 1024, 16, 4, 64, 512, 32, 4, 32_000);

    public void Write(string path, WeightType type)
    {
        var random = new Random(1);
        var writer = new GgufWriter("qwen3moe")
            .Add("general.name", $"synthetic-{type}")
            .Add("qwen3moe.block_count", (uint)Layers)
            .Add("qwen3moe.context_length", 4096u)
            .Add("qwen3moe.embedding_length", (uint)Hidden)
            .Add("qwen3moe.attention.head_count", (uint)Heads)
            .Add("qwen3moe.attention.head_count_kv", (uint)KvHeads)
            .Add("qwen3moe.attention.key_length", (uint)HeadDim)
            .Add("qwen3moe.attention.value_length", (uint)HeadDim)
            .Add("qwen3moe.attention.layer_norm_rms_epsilon", 1e-6f)
            .Add("qwen3moe.rope.freq_base", 1e6f)
            .Add("qwen3moe.expert_count", (uint)Experts)
            .Add("qwen3moe.expert_used_count", (uint)TopK)
            .Add("qwen3moe.expert_feed_forward_length", (uint)Ff);

        void Matrix(string name, WeightType t, float std, params long[] shape) =>
            writer.Add(name, t, shape, stream => RandomBlocks(stream, t, std, shape.Aggregate(1L, (a, b) => a * b), random));
        void Ones(string name, int length) =>
            writer.Add(name, WeightType.F32, [length], stream => stream.Write(MemoryMarshal.AsBytes(Enumerable.Repeat(1f, length).ToArray().AsSpan())));
        static float Unit(int fanIn) => 1 / MathF.Sqrt(fanIn);

        Matrix("token_embd.weight", type, 1, Vocabulary, Hidden);
        for (var i = 0; i < Layers; i++)
        {
            Ones($"blk.{i}.attn_norm.weight", Hidden);
            Matrix($"blk.{i}.attn_q.weight", type, Unit(Hidden), Heads * HeadDim, Hidden);
            Matrix($"blk.{i}.attn_k.weight", type, Unit(Hidden), KvHeads * HeadDim, Hidden);
            Matrix($"blk.{i}.attn_v.weight", type, Unit(Hidden), KvHeads * HeadDim, Hidden);
            // A tenth of the usual: otherwise attention averages the tokens, and all of them go to the same experts.
            Matrix($"blk.{i}.attn_output.weight", type, 0.1f * Unit(Heads * HeadDim), Hidden, Heads * HeadDim);
            Ones($"blk.{i}.attn_q_norm.weight", HeadDim);
            Ones($"blk.{i}.attn_k_norm.weight", HeadDim);
            Ones($"blk.{i}.ffn_norm.weight", Hidden);
            Matrix($"blk.{i}.ffn_gate_inp.weight", WeightType.F32, Unit(Hidden), Experts, Hidden);
            Matrix($"blk.{i}.ffn_gate_exps.weight", type, Unit(Hidden), Experts, Ff, Hidden);
            Matrix($"blk.{i}.ffn_up_exps.weight", type, Unit(Hidden), Experts, Ff, Hidden);
            Matrix($"blk.{i}.ffn_down_exps.weight", type, Unit(Ff), Experts, Hidden, Ff);
        }
        Ones("output_norm.weight", Hidden);
        Matrix("output.weight", type, Unit(Hidden), Vocabulary, Hidden);
        using var file = File.Create(path, 1 << 20);
        writer.Write(file);
    }

    private static void RandomBlocks(Stream stream, WeightType type, float std, long count, Random random)
    {
        var chunk = new byte[type.RowBytes(1 << 16)];
        var left = type.RowBytes(count);
        while (left > 0)
        {
            Fill(chunk, type, std, random);
            var bytes = (int)Math.Min(left, chunk.Length);
            stream.Write(chunk, 0, bytes);
            left -= bytes;
        }
    }

    private static void Fill(byte[] chunk, WeightType type, float std, Random random)
    {
        switch (type)
        {
            case WeightType.F32:
                foreach (ref var value in MemoryMarshal.Cast<byte, float>(chunk.AsSpan())) value = Uniform(std, random);
                break;
            case WeightType.BF16:
                foreach (ref var value in MemoryMarshal.Cast<byte, ushort>(chunk.AsSpan())) value = (ushort)(BitConverter.SingleToUInt32Bits(Uniform(std, random)) >> 16);
                break;
            case WeightType.Q8_0:
                random.NextBytes(chunk);
                Scale(chunk, 34, 0, std / 73.9f); // 73.9: standard deviation of a uniform signed byte
                break;
            case WeightType.Q4_K:
                // d · s · (q − 7.5): mins equal to the scales and dmin = 7.5 d make the mean 0; s is 47.5 on average, q deviates by 4.61.
                random.NextBytes(chunk);
                for (var at = 0; at < chunk.Length; at += 144)
                {
                    chunk.AsSpan(at + 4, 4).CopyTo(chunk.AsSpan(at + 8, 4));
                    for (var i = 12; i < 16; i++) chunk[at + i] = (byte)((chunk[at + i] & 15) * 17);
                }
                Scale(chunk, 144, 0, std / (4.61f * 47.5f));
                Scale(chunk, 144, 2, 7.5f * std / (4.61f * 47.5f));
                break;
            case WeightType.Q6_K:
                random.NextBytes(chunk);
                Scale(chunk, 210, 208, std / (18.5f * 73.9f));
                break;
            default:
                throw new ArgumentException($"synthetic models are F32, BF16, Q8_0, Q4_K or Q6_K, not {type}");
        }
    }

    private static float Uniform(float std, Random random) => ((2 * random.NextSingle()) - 1) * std * 1.7320508f; // √3: a uniform ±1 deviates by 1/√3

    private static void Scale(byte[] chunk, int blockBytes, int offset, float scale)
    {
        for (var at = offset; at < chunk.Length; at += blockBytes) BitConverter.TryWriteBytes(chunk.AsSpan(at, 2), (Half)scale);
    }
}
