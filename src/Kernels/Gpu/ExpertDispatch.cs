using WarpDecode.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>What the fastest way through a layer's experts depends on, beside the device.</summary>
/// <param name="GateUp">Type of gate and up.</param>
/// <param name="Down">Type of down.</param>
/// <param name="GateUpTiles">Whether gate and up lie in tiles for the exact tensor-core form.</param>
/// <param name="DownTiles">Whether down does.</param>
/// <param name="Experts">Experts of the layer.</param>
/// <param name="TopK">Experts of a token.</param>
/// <param name="Hidden">Columns of gate and up, rows of down.</param>
/// <param name="Ff">Rows of gate and up, columns of down.</param>
internal readonly record struct ExpertShape(
    WeightType GateUp, WeightType Down, bool GateUpTiles, bool DownTiles, int Experts, int TopK, int Hidden, int Ff)
{
    /// <summary>Whether gate and up have more than one way: quantized weights on FP32 lanes have none.</summary>
    public bool GateUpChoice => GateUpTiles || IsFloat(GateUp);

    /// <inheritdoc cref="GateUpChoice"/>
    public bool DownChoice => DownTiles || IsFloat(Down);

    /// <summary>The types in words.</summary>
    public string Types => GateUp == Down ? $"{GateUp}" : $"{GateUp} with {Down}";

    private static bool IsFloat(WeightType type) => type is WeightType.F32 or WeightType.F16 or WeightType.BF16;
}

/// <summary>
/// Which kernels a step's tokens take through the experts: alone (the warp-decode kernels, each token reads the rows of its experts for itself) or
/// together (an expert's tokens share its rows), and which of the two for many tokens together. The bits are the same whatever is chosen.
/// </summary>
/// <param name="GateUpAlone">Most tokens of a step that go alone through gate and up.</param>
/// <param name="DownAlone">Most tokens of a step that go alone through down.</param>
/// <param name="GateUpPrompt">Tokens from which gate and up take the kernel for experts that have many tokens each; only in tiles.</param>
internal sealed record ExpertDispatch(int GateUpAlone, int DownAlone, int GateUpPrompt)
{
    /// <summary>Any number of tokens.</summary>
    public const int Always = int.MaxValue;

    // In tiles, measured on an H200 at 128 experts, 8 a token. Gate and up are written at once, down's outputs of more tokens take a detour
    // by way of memory, and yet pay earlier.
    private const int TilesGateUpAlone = 8;
    private const int TilesDownAlone = 4;

    // Float weights, measured there too: alone 119 µs at 8 tokens, sharing 125; 207 and 201 at 16. Of fewer experts tokens meet more often,
    // hence the ratio.
    private const double SharedSlotsPerExpert = 0.75;

    private const int PromptSlotsPerExpert = 4;

    /// <summary>What is chosen without a measurement.</summary>
    public static ExpertDispatch Default(in ExpertShape shape)
    {
        var shared = Math.Max(1, (int)Math.Ceiling(SharedSlotsPerExpert * shape.Experts / shape.TopK) - 1);
        return new ExpertDispatch(
            shape.GateUpTiles ? TilesGateUpAlone : shape.GateUpChoice ? shared : Always,
            shape.DownTiles ? TilesDownAlone : shape.DownChoice ? shared : Always,
            shape.GateUpTiles ? ((PromptSlotsPerExpert * shape.Experts) + shape.TopK - 1) / shape.TopK : Always);
    }

    /// <summary>The same with the user's numbers where there is a choice.</summary>
    public ExpertDispatch With((int GateUp, int Down) alone, in ExpertShape shape) => this with
    {
        GateUpAlone = shape.GateUpChoice ? alone.GateUp : Always,
        DownAlone = shape.DownChoice ? alone.Down : Always,
    };

    public override string ToString()
    {
        if (GateUpAlone == Always && DownAlone == Always) return "always alone";
        var down = GateUpAlone != Always && DownAlone != Always ? $"{DownAlone}" : UpTo(DownAlone);
        return $"alone {UpTo(GateUpAlone)} (gate/up) and {down} (down)";
    }

    private static string UpTo(int tokens) => tokens == Always ? "always" : $"up to {tokens} {(tokens == 1 ? "token" : "tokens")}";
}
