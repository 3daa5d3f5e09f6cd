namespace WarpDecode.Runtime.Sampling;

/// <summary>
/// What the next token may be, for text that must have a form: a grammar, a JSON schema. Belongs to one answer and is used by one thread at a time; the
/// sampler asks for the mask before it chooses and tells every token that it chose.
/// </summary>
public interface ITokenConstraint
{
    /// <summary>
    /// Which tokens may come next: bit <c>id % 64</c> of word <c>id / 64</c> is set for those that may [⌈vocabulary / 64⌉]. Valid until the next
    /// call. At least one bit is set: where the text is complete, those of the tokens that end a turn.
    /// </summary>
    ReadOnlySpan<ulong> Allowed { get; }

    /// <summary>Takes a token of the answer, one that <see cref="Allowed"/> had.</summary>
    /// <exception cref="InvalidOperationException">The token was not allowed.</exception>
    void Accept(int token);

    /// <summary>Back to the beginning of an answer.</summary>
    void Reset();
}
