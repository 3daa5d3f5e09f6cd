namespace WarpDecode.Runtime;

/// <summary>A model computed something that no token can be chosen by, NaN for example; or what answers are kept to leaves no token.</summary>
public sealed class ModelOutputException : Exception
{
    private const string Damaged = "Try --backend reference; if that fails too, get the file again: its weights are damaged.";

    internal ModelOutputException(string message, Exception? inner = null)
        : base(message, inner) =>
        Advice = inner is Sampling.NoTokenException ? "Loosen what answers are kept to: the grammar or schema, the logit bias, the banned strings." : Damaged;

    /// <summary>What the user can do about it, in one sentence.</summary>
    public string Advice { get; }
}
