namespace WarpDecode.Runtime.Evaluation;

/// <summary>An evaluation that cannot be done as asked: a text that is too short, a file of logits that does not fit.</summary>
public sealed class EvaluationException : Exception
{
    internal EvaluationException(string message, string advice)
        : base(message) => Advice = advice;

    /// <summary>What the user can do about it, in one sentence.</summary>
    public string Advice { get; }
}
