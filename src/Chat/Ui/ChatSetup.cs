using WarpDecode.Chat.Conversations;
using WarpDecode.Runtime;

namespace WarpDecode.Chat.Ui;

/// <summary>What part of loading goes on.</summary>
internal enum LoadStage
{
    /// <summary>The file is mapped and its metadata are read.</summary>
    Map,

    /// <summary>Weights are bound, and copied to a device if there is one.</summary>
    Weights,

    /// <summary>Kernels are measured and compiled, and the conversation is read again if there is one.</summary>
    WarmUp,
}

/// <summary>How far loading is.</summary>
/// <param name="Stage">The part that goes on.</param>
/// <param name="Done">How much of it is done.</param>
/// <param name="Total">How much there is of it; 0 where nobody knows.</param>
/// <param name="Doing">What is done, in words; null where the stage says it.</param>
internal sealed record LoadState(LoadStage Stage, long Done, long Total, string? Doing = null);

/// <summary>A model that can be chatted with.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Engine">The engine, which this owns.</param>
/// <param name="Options">How answers are made if nobody says otherwise.</param>
/// <param name="Style">How answers are asked for and read.</param>
/// <param name="Identity">Which model it is.</param>
internal sealed record LoadedModel(string Path, Engine Engine, GenerationOptions Options, AnswerStyle Style, ModelIdentity Identity) : IDisposable
{
    /// <summary>The type that most bytes of the weights are in.</summary>
    public string Weights { get; } = Engine.File.Tensors.GroupBy(t => t.Type).MaxBy(g => g.Sum(t => t.Bytes))?.Key.ToString() ?? "no weights";

    /// <summary>Where it runs, in a word.</summary>
    public string Backend { get; } = Engine.Backend.Split(' ', 2)[0];

    public void Dispose() => Engine.Dispose();
}

/// <summary>Opens a model. Called on a thread of its own.</summary>
/// <param name="path">Where it is.</param>
/// <param name="progress">Is told how far it is.</param>
/// <param name="cancellation">Ends it.</param>
internal delegate LoadedModel ModelOpener(string path, IProgress<LoadState> progress, CancellationToken cancellation);

/// <summary>What the command line asks of a chat.</summary>
/// <param name="Model">Path of the model.</param>
/// <param name="Open">Opens one.</param>
internal sealed record ChatSetup(string Model, ModelOpener Open)
{
    /// <summary>What a new conversation begins with.</summary>
    public string? System { get; init; }

    /// <summary>Whether what answers take is shown from the beginning.</summary>
    public bool IsVerbose { get; init; }

    /// <summary>Most sessions that are kept for branches.</summary>
    public int Sessions { get; init; } = 8;
}
