using WarpDecode.Runtime.Sampling;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Grammars;

/// <summary>
/// Keeps an answer within a grammar: only tokens may come whose bytes go on as the grammar allows, and those that end a turn exactly where the
/// text is complete. Belongs to one answer, and is not for several threads at once; what is found out about the grammar and the vocabulary is shared by
/// all of them, which may be on different threads.
/// </summary>
public sealed class GrammarConstraint : ITokenConstraint
{
    private readonly TokenMasks masks;
    private ParseState state;
    private bool ended;

    /// <summary>A constraint at the beginning of an answer.</summary>
    /// <param name="grammar">What the answer must be.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="vocabulary">Number of the model's logits.</param>
    /// <exception cref="GrammarException">The grammar names a token that the model does not have.</exception>
    public GrammarConstraint(Grammar grammar, Tokenizer tokenizer, int vocabulary)
        : this(Checked(grammar).MasksFor(TokenIndex.Of(tokenizer ?? throw new ArgumentNullException(nameof(tokenizer)), vocabulary)))
    {
    }

    internal GrammarConstraint(TokenMasks masks) => (this.masks, state) = (masks, masks.Start);

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">No token of the vocabulary can go on.</exception>
    /// <exception cref="GrammarException">The grammar is too ambiguous to be followed.</exception>
    public ReadOnlySpan<ulong> Allowed => ended ? masks.Ends : masks.MaskOf(state);

    /// <summary>Whether the text can end here.</summary>
    public bool IsComplete => ended || state.IsComplete;

    /// <inheritdoc/>
    public void Accept(int token)
    {
        if (masks.IsEnd(token))
        {
            if (!IsComplete) throw new InvalidOperationException($"token {token} ends the turn, and the text is not complete by the grammar");
            ended = true;
            return;
        }
        state = (ended ? null : masks.After(state, token)) ?? throw new InvalidOperationException($"token {token} may not come here by the grammar");
    }

    /// <inheritdoc/>
    public void Reset() => (state, ended) = (masks.Start, false);

    private static Grammar Checked(Grammar grammar) => grammar ?? throw new ArgumentNullException(nameof(grammar));
}
