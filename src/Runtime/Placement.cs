using System.Globalization;
using WarpDecode.Formats;

namespace WarpDecode.Runtime;

/// <summary>What of a model a device holds; the rest stays in the memory map and is computed on the CPU.</summary>
/// <param name="Layers">Layers of the model.</param>
/// <param name="GpuLayers">Layers from the first on that the device computes.</param>
/// <param name="CpuMoe">Layers from the first on whose experts the CPU computes, wherever the rest of the layer is.</param>
internal sealed record Placement(int Layers, int GpuLayers, int CpuMoe)
{
    public static Placement Of(ModelConfig config, EngineOptions options) =>
        new(config.Layers, Math.Min(options.GpuLayers ?? config.Layers, config.Layers), Math.Min(options.CpuMoe, config.Layers));

    /// <summary>All of it on one backend.</summary>
    public static Placement Whole(ModelConfig config) => new(config.Layers, config.Layers, 0);

    /// <summary>Whether the device has all of the model.</summary>
    public bool IsWhole => GpuLayers == Layers && CpuMoe == 0;

    /// <summary>Whether a weight goes to the device. The embedding and the head are there only together with all layers.</summary>
    public bool OnDevice(TensorView view) => LayerOf(view.Name) is { } layer
        ? layer < GpuLayers && !(layer < CpuMoe && IsExperts(view))
        : GpuLayers == Layers;

    /// <summary>In words.</summary>
    public override string ToString()
    {
        const string rest = "embedding and head";
        var device = GpuLayers == 0 ? "nothing" : GpuLayers == Layers ? $"{Range(0, Layers)}, {rest}" : Range(0, GpuLayers);
        var host = new List<string>();
        if (GpuLayers < Layers) host.Add($"{Range(GpuLayers, Layers)}, {rest}");
        if (Math.Min(CpuMoe, GpuLayers) is > 0 and var moe) host.Add($"experts of {Range(0, moe)}");
        return host.Count == 0 ? $"cuda: {device}" : $"cuda: {device}; cpu: {string.Join(", ", host)}";
    }

    private static string Range(int from, int to) => to - from == 1 ? $"layer {from}" : $"layers {from} to {to - 1}";

    private static bool IsExperts(TensorView view) => view.Shape.Count == 3;

    /// <summary>The layer in a tensor's name, <c>blk.12.attn_q.weight</c>.</summary>
    internal static int? LayerOf(string name)
    {
        const string prefix = "blk.";
        if (!name.StartsWith(prefix, StringComparison.Ordinal)) return null;
        var number = name.AsSpan(prefix.Length);
        var end = number.IndexOf('.');
        return end > 0 && int.TryParse(number[..end], NumberStyles.None, CultureInfo.InvariantCulture, out var layer) ? layer : null;
    }
}
