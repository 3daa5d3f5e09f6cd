namespace WarpDecode.Runtime.Grammars;

/// <summary>A grammar or a JSON schema that cannot be used: where it is wrong, or what of it is not supported.</summary>
public sealed class GrammarException : Exception
{
    internal GrammarException(string message, string advice)
        : base(message) => Advice = advice;

    /// <summary>What the user can do about it, in one sentence.</summary>
    public string Advice { get; }
}
