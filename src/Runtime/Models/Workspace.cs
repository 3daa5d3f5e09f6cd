using WarpDecode.Kernels;
using WarpDecode.Kernels.Gpu;

namespace WarpDecode.Runtime.Models;

/// <summary>The activations of one step, allocated once for the largest step. T tokens, H hidden, K topK, F ff, R logit rows.</summary>
internal sealed class Workspace
{
    public Workspace(IBackend backend, ModelConfig config, int tokens, int logitRows)
    {
        var qkv = (config.Heads + (2 * config.KvHeads)) * config.HeadDim;
        X = backend.Allocate((long)tokens * config.Hidden);
        Qkv = backend.Allocate((long)tokens * qkv);
        Attended = backend.Allocate((long)tokens * config.Heads * config.HeadDim);
        H = backend.Allocate((long)tokens * config.Hidden);
        Mid = backend.Allocate((long)tokens * config.TopK * config.Ff);
        Angles = backend.Allocate((long)tokens * config.HeadDim);
        Logits = backend.Allocate((long)logitRows * config.Vocabulary);
        Routings = backend.AllocateRoutings(config.Layers, tokens, config.TopK, config.Experts);
    }

    /// <summary>Bytes that a workspace takes.</summary>
    public static long Bytes(ModelConfig config, int tokens, int logitRows)
    {
        var perToken = (2L * config.Hidden) + ((2L * (config.Heads + config.KvHeads)) * config.HeadDim) + ((long)config.TopK * config.Ff) + config.HeadDim;
        // The device's are the larger, but for what the host keeps by layer: the slots of each expert.
        var routes = DeviceRouting.Bytes(config.Layers, tokens, config.TopK, config.Experts)
            + (sizeof(int) * (long)config.Layers * (((long)tokens * config.TopK) + (2L * config.Experts) + 1));
        return (sizeof(float) * ((tokens * perToken) + ((long)logitRows * config.Vocabulary))) + routes;
    }

    /// <summary>Told of the routes of each layer as they are made; null except for measurements.</summary>
    public Action<Routing>? Routed { get; set; }

    /// <summary>Residual stream [T, H].</summary>
    public Tensor X { get; }

    /// <summary>Queries, keys, values [T, (heads + 2·kvHeads)·headDim].</summary>
    public Tensor Qkv { get; }

    /// <summary>What attention gives [T, heads·headDim].</summary>
    public Tensor Attended { get; }

    /// <summary>Normalized input of the experts [T, H].</summary>
    public Tensor H { get; }

    /// <summary>Output of gate/up [T, K, F].</summary>
    public Tensor Mid { get; }

    /// <summary>cos and sin of rope [T, 2, headDim/2].</summary>
    public Tensor Angles { get; }

    /// <summary>Logits [R, vocabulary].</summary>
    public Tensor Logits { get; }

    /// <summary>Routes of each layer in the last step [T, K].</summary>
    public Routing[] Routings { get; }
}
