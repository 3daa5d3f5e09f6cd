using WarpDecode.Formats;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime;

/// <summary>Where a model runs.</summary>
public enum BackendKind
{
    /// <summary>The GPU if there is one that the model fits on, else the CPU; <see cref="Engine.Notes"/> then says why.</summary>
    Auto,

    /// <summary>The processor's vector units.</summary>
    Cpu,

    /// <summary>An NVIDIA GPU of compute capability 7.5 or newer.</summary>
    Cuda,

    /// <summary>The slow, scalar oracle that the others are checked against.</summary>
    Reference,
}

/// <summary>
/// How the experts of a model are computed. The first two never round activations. The others are baselines to compare with: they change
/// the expert FFN alone; attention's projections and the head are as ever, activations FP32. The cpu backend has them for all types of weights,
/// the cuda backend the expert-centric ones for BF16, Q8_0, Q4_K and Q6_K.
/// </summary>
public enum MoeForm
{
    /// <summary>Warp decode, the fastest that there is for a weight's type: on a GPU tensor cores with exact activations, or FP32 lanes.</summary>
    Auto,

    /// <summary>Warp decode on FP32 lanes for every type; on the CPU the same as <see cref="Auto"/>.</summary>
    WarpFp32,

    /// <summary>
    /// Expert-centric: tokens grouped by expert, padded, gathered, multiplied in groups, combined. For quantized weights activations are
    /// quantized to 8 bits in blocks of 32, for floating-point weights rounded to the weights' type, for FP8 ones to MXFP8.
    /// </summary>
    Conventional,

    /// <summary>Expert-centric, activations in MXFP8 (E4M3 elements, a power of two for each 32).</summary>
    ConventionalMxfp8,

    /// <summary>Warp decode, but activations are rounded to BF16 before each product.</summary>
    BF16,
}

/// <summary>The forms as users type them.</summary>
internal static class MoeForms
{
    /// <summary>WarpFp32 is warp-fp32.</summary>
    public static string NameOf(MoeForm form) => form switch
    {
        MoeForm.Auto => "auto",
        MoeForm.WarpFp32 => "warp-fp32",
        MoeForm.Conventional => "conventional",
        MoeForm.ConventionalMxfp8 => "conventional-mxfp8",
        MoeForm.BF16 => "bf16",
        _ => throw new ArgumentOutOfRangeException(nameof(form), form, "an unknown form of experts"),
    };
}

/// <summary>How a model is opened.</summary>
public sealed record EngineOptions
{
    /// <summary>The defaults of clients and generators that open a model by themselves: room for a few requests at once.</summary>
    internal static EngineOptions ForRequests { get; } = new() { Sessions = 4 };

    /// <summary>Where it runs.</summary>
    public BackendKind Backend { get; init; }

    /// <summary>A chat template to take instead of the model's own.</summary>
    public ChatTemplate? Template { get; init; }

    /// <summary>Threads of the cpu backend; 0 for one a core.</summary>
    public int Threads { get; init; }

    /// <summary>
    /// Most tokens of one session. Null takes what the model was trained for, or less if the cache of keys and values would
    /// then take more than half of the machine's memory, or than the GPU has left; <see cref="Engine.Notes"/> says so.
    /// </summary>
    public int? ContextLength { get; init; }

    /// <summary>Type of the cached keys and values: F32, F16 or BF16; null for the backend's own choice.</summary>
    public WeightType? KvType { get; init; }

    /// <summary>How many sessions of full length the cache has room for. Forks share the pages they have in common.</summary>
    public int Sessions { get; init; } = 1;

    /// <summary>Most tokens computed in one step while a prompt is read; null for what suits the backend.</summary>
    public int? PrefillTokens { get; init; }

    /// <summary>Layers from the first on that the GPU computes, the others the CPU; null for all.</summary>
    public int? GpuLayers { get; init; }

    /// <summary>Layers from the first on whose experts stay in the host's memory and are computed by the CPU.</summary>
    public int CpuMoe { get; init; }

    /// <summary>How the experts are computed.</summary>
    public MoeForm Moe { get; init; }

    /// <summary>
    /// Most tokens of a step, 1 or more, that the GPU takes alone through gate and up, and through down: each reads its experts for itself. More of
    /// them share what they read. Null for what is the fastest, measured once for a GPU and a shape of model. The results are the same.
    /// </summary>
    public (int GateUp, int Down)? MoeAlone { get; init; }

    /// <summary>
    /// Pre-tokenizer of a byte-level BPE vocabulary, by llama.cpp's name (qwen2, llama-bpe …), in the place of the one that the file names; null for that.
    /// </summary>
    public string? PreTokenizer { get; init; }

    /// <summary>How long answers that share steps wait for one that is late.</summary>
    internal TimeSpan Patience { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>Told after each tensor how much of the file is bound.</summary>
    public IProgress<LoadProgress>? Progress { get; init; }

    /// <summary>Ends loading between two tensors.</summary>
    public CancellationToken Cancellation { get; init; }
}

/// <summary>How far loading is.</summary>
/// <param name="Bytes">Bytes of weights bound so far.</param>
/// <param name="Total">Bytes of weights in the file.</param>
/// <param name="Doing">What takes its time now, in words: a tensor whose weights must be put together, or what follows when all is bound; else null.</param>
public readonly record struct LoadProgress(long Bytes, long Total, string? Doing = null);
