namespace WarpDecode.Runtime.Evaluation;

/// <summary>How items are put to a model.</summary>
public sealed record EvalOptions
{
    /// <summary>Most answers generated, or choices read, at once. Results do not depend on it.</summary>
    public int Batch { get; init; } = 16;

    /// <summary>Most tokens of an answer whose item does not say.</summary>
    public int MaxTokens { get; init; } = 256;

    /// <summary>Compares answers without regard to case, and matches patterns so.</summary>
    public bool IgnoreCase { get; init; }

    /// <summary>A text put before each item's text, as it is.</summary>
    public string Prefix { get; init; } = "";

    /// <summary>
    /// Answered examples put before each item, after <see cref="Prefix"/>: before a text their texts with the right answers, an empty
    /// line after each; before a conversation their conversations with the right answers. An example with a category stands before
    /// items of that category only.
    /// </summary>
    public EvalTask? FewShot { get; init; }

    /// <summary>Most examples before one item, the first ones; null for all.</summary>
    public int? Shots { get; init; }

    /// <inheritdoc cref="EngineOptions.PreTokenizer"/>
    public string? PreTokenizer { get; init; }
}

/// <summary>How far an evaluation is.</summary>
/// <param name="Done">Items that have a result.</param>
/// <param name="Before">How many of them were found in the results file.</param>
/// <param name="Total">Items of the task.</param>
/// <param name="Right">Items of <paramref name="Done"/> that are right.</param>
public readonly record struct EvalProgress(int Done, int Before, int Total, int Right);
