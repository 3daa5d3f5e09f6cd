using WarpDecode.Formats;
using WarpDecode.Kernels;

namespace WarpDecode.Runtime.Models;

/// <summary>What an architecture is: how its hyperparameters are named, how its tensors are named, and its forward pass.</summary>
internal interface IArchitecture
{
    /// <summary>Value of <c>general.architecture</c> in a GGUF file.</summary>
    string Name { get; }

    /// <summary>Reads the hyperparameters.</summary>
    /// <exception cref="ModelFileException">One is missing, of the wrong type, out of range, or asks for what is not done yet.</exception>
    ModelConfig ReadConfig(ModelFile file);

    /// <summary>The tensors of each layer's experts, without those that the file lacks.</summary>
    IEnumerable<(TensorView Gate, TensorView Down)> Experts(ModelFile file, ModelConfig config);

    /// <summary>Binds the weights.</summary>
    IModel Bind(ModelConfig config, WeightBinder weights);
}

/// <summary>A model with its weights on a backend.</summary>
internal interface IModel
{
    /// <summary>The experts of each layer.</summary>
    IEnumerable<ExpertWeights> Experts { get; }

    /// <summary>Weights of the norm that the last hidden states go through before they meet the output matrix [H].</summary>
    Tensor Norm { get; }

    /// <summary>Computes all layers for the tokens of the step; leaves the last hidden states in the workspace and the keys and values in the cache.</summary>
    void Forward(IBackend ops, Step step, Workspace work, KvCache cache);

    /// <summary>Logits of the step's selected rows, from the hidden states that <see cref="Forward"/> left.</summary>
    void Head(IBackend ops, Step step, Workspace work);
}

/// <summary>The architectures that this runtime knows. A new one is one new file and one line here.</summary>
internal static class Architectures
{
    private static readonly IArchitecture[] All = [new Qwen3Moe(), new Mixtral()];

    /// <summary>The architecture that a file names.</summary>
    /// <exception cref="ModelFileException">Not named, or not known.</exception>
    public static IArchitecture Of(ModelFile file)
    {
        const string key = "general.architecture";
        var name = file.Metadata.GetString(key);
        var architecture = Array.Find(All, a => a.Name == name);
        if (architecture is null)
        {
            ModelFileException.Throw("architecture in", file.Path, key, null, string.Join(" or ", All.Select(a => a.Name)), $"'{name}'",
                "This architecture is not supported yet.");
        }
        return architecture;
    }
}
