using System.Globalization;
using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Runtime.Models;

namespace WarpDecode.Runtime;

/// <summary>What a device must hold, added up before anything is allocated on it: weights, cache of keys and values, activations.</summary>
internal sealed class MemoryPlan(ModelFile file, ModelConfig config, IBackend backend, EngineOptions options, long free)
{
    // Shorter contexts are chosen or advised only if they were asked for.
    private const int UsefulContext = 4096;

    private readonly (TensorView View, long Bytes)[] weights = [.. file.Tensors.Select(view => (view, backend.BytesOf(view)))];

    private long WorkBytes { get; } = Workspace.Bytes(
        config, Math.Max(options.PrefillTokens ?? backend.PrefillTokens, options.Sessions),
        Math.Min(Engine.LogitRows, Math.Max(options.PrefillTokens ?? backend.PrefillTokens, options.Sessions)));

    /// <summary>Tokens of a session for which there is room beside the weights; 0 or less if there is none.</summary>
    public long Affordable(Placement placement) =>
        placement.GpuLayers == 0 ? long.MaxValue
        : (free - WeightBytes(placement) - WorkBytes) / options.Sessions / CacheBytes(placement, Engine.PageTokens) * Engine.PageTokens;

    /// <summary>The plan in words.</summary>
    /// <exception cref="GpuException">It does not fit; the message has the plan, the advice the nearest settings that do.</exception>
    public string Check(Placement placement, int context)
    {
        var (held, cache) = (WeightBytes(placement), CacheBytes(placement, context));
        var plan = string.Create(CultureInfo.InvariantCulture,
            $"weights {held / 1e9:F2} GB + cache {cache * options.Sessions / 1e9:F2} GB ({options.Sessions} × {context} tokens) + activations {WorkBytes / 1e9:F2} GB = {(held + (cache * options.Sessions) + WorkBytes) / 1e9:F2} GB of {free / 1e9:F2} GB free");
        // Nobody who leaves the choice to us means a few tokens of context.
        var tooShort = options is { Backend: BackendKind.Auto, ContextLength: null } && context < Math.Min(UsefulContext, config.ContextLength);
        if (Fits(placement, context) && !tooShort) return plan;
        throw new GpuException($"the model does not fit on {backend.Description}: {plan}", Advice(placement));
    }

    /// <summary>Whether a session of that length, times the sessions, fits.</summary>
    public bool Fits(Placement placement, int context) =>
        Bytes(placement, context) <= free;

    /// <summary>What the device must hold with a session of that length, times the sessions.</summary>
    public long Bytes(Placement placement, int context) =>
        WeightBytes(placement) + (CacheBytes(placement, context) * options.Sessions) + WorkBytes;

    /// <summary>Each setting that helps by itself, with its nearest value.</summary>
    public string Advice(Placement placement)
    {
        var useful = Math.Min(options.ContextLength ?? UsefulContext, config.ContextLength);
        var choices = new List<string>();
        var longest = Affordable(placement);
        if (longest >= Engine.PageTokens) choices.Add($"a context of at most {longest} tokens (-c {longest})");
        for (var moe = placement.CpuMoe + 1; moe <= config.Layers; moe++)
        {
            if (!Fits(placement with { CpuMoe = moe }, useful)) continue;
            choices.Add($"--cpu-moe {moe} (experts of {moe} layers on the cpu{For()})");
            break;
        }
        for (var layers = placement.GpuLayers - 1; layers > 0; layers--)
        {
            if (!Fits(placement with { GpuLayers = layers }, useful)) continue;
            choices.Add($"--gpu-layers {layers} (the others on the cpu{For()})");
            break;
        }
        return choices.Count == 0 ? "Use a smaller model or weight type, or --backend cpu." : $"Use {string.Join(", or ", choices)}.";

        string For() => options.ContextLength is null ? $", context {useful}" : "";
    }

    private long WeightBytes(Placement placement) => weights.Where(w => placement.OnDevice(w.View)).Sum(w => w.Bytes);

    /// <summary>Whole pages of one session in the device's layers.</summary>
    private long CacheBytes(Placement placement, int context) =>
        new KvShape(placement.GpuLayers, 1, Engine.PageTokens, config.KvHeads, config.HeadDim, options.KvType ?? backend.KvTypes[0]).PageBytes * ((context + Engine.PageTokens - 1) / Engine.PageTokens);
}
