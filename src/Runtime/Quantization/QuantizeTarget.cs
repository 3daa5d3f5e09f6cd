using WarpDecode.Formats;

namespace WarpDecode.Runtime.Quantization;

/// <summary>What a file can be quantized to, by the names and numbers of llama.cpp's file types.</summary>
/// <param name="Name">Name, for example <c>Q4_K_M</c>.</param>
/// <param name="FileType">Number in <c>general.file_type</c>.</param>
/// <param name="Type">The type of most weights.</param>
/// <param name="Description">Bits per weight of that type, and which weights get others.</param>
public sealed record QuantizeTarget(string Name, uint FileType, WeightType Type, string Description)
{
    private static readonly Dictionary<string, string> Aliases = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Q3_K"] = "Q3_K_M",
        ["Q4_K"] = "Q4_K_M",
        ["Q5_K"] = "Q5_K_M",
        ["MXFP4"] = "MXFP4_MOE",
    };

    /// <summary>All of them, the largest first.</summary>
    public static IReadOnlyList<QuantizeTarget> All { get; } =
    [
        new("F32", 0, WeightType.F32, "32 bits"),
        new("F16", 1, WeightType.F16, "16 bits"),
        new("BF16", 32, WeightType.BF16, "16 bits"),
        new("Q8_0", 7, WeightType.Q8_0, "8.5 bits"),
        new("Q6_K", 18, WeightType.Q6_K, "6.56 bits"),
        new("Q5_K_M", 17, WeightType.Q5_K, "5.5 bits, half of attn_v and ffn_down Q6_K"),
        new("Q5_K_S", 16, WeightType.Q5_K, "5.5 bits"),
        new("Q5_1", 9, WeightType.Q5_1, "6 bits"),
        new("Q5_0", 8, WeightType.Q5_0, "5.5 bits"),
        new("Q4_K_M", 15, WeightType.Q4_K, "4.5 bits, half of attn_v and ffn_down Q6_K"),
        new("Q4_K_S", 14, WeightType.Q4_K, "4.5 bits, the first attn_v and ffn_down Q5_K"),
        new("Q4_1", 3, WeightType.Q4_1, "5 bits"),
        new("Q4_0", 2, WeightType.Q4_0, "4.5 bits"),
        new("IQ4_NL", 25, WeightType.IQ4_NL, "4.5 bits, levels not evenly spaced"),
        new("IQ4_XS", 30, WeightType.IQ4_XS, "4.25 bits, levels not evenly spaced"),
        new("MXFP4_MOE", 38, WeightType.MXFP4, "experts MXFP4 (4.25 bits), the rest Q8_0"),
        new("Q3_K_L", 13, WeightType.Q3_K, "3.44 bits, attn_v, attn_output and ffn_down Q5_K"),
        new("Q3_K_M", 12, WeightType.Q3_K, "3.44 bits, attn_v, attn_output and ffn_down Q4_K, the first Q5_K"),
        new("Q3_K_S", 11, WeightType.Q3_K, "3.44 bits"),
        new("Q2_K", 10, WeightType.Q2_K, "2.63 bits, attn_v, attn_output and ffn_down Q3_K"),
    ];

    /// <summary>Names that stand for others, and these.</summary>
    public static IReadOnlyDictionary<string, string> OtherNames => Aliases;

    /// <summary>The target of that name or alias, whatever its case, or null.</summary>
    public static QuantizeTarget? Find(string name) =>
        All.FirstOrDefault(target => target.Name.Equals(Aliases.GetValueOrDefault(name, name), StringComparison.OrdinalIgnoreCase));
}
