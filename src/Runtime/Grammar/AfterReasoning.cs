using System.Runtime.CompilerServices;
using System.Text;
using WarpDecode.Runtime.Sampling;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Grammars;

/// <summary>
/// A constraint of what follows the reasoning: a model that thinks before it speaks may think freely, and is held to the form from the end of that
/// on. While it thinks the turn cannot end.
/// </summary>
internal sealed class AfterReasoning : ITokenConstraint
{
    private readonly ITokenConstraint inner;
    private readonly Tokenizer tokenizer;
    private readonly byte[] close;
    private readonly List<(int Token, int Matched)> straddling;
    private readonly int? openToken;
    private readonly ulong[] free; // all tokens but those that end a turn
    private readonly ulong[] mask;
    private readonly State begin;
    private State state;
    private int matched; // bytes at the end of the reasoning that begin the closing text

    /// <param name="inner">The constraint of the rest.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="vocabulary">Number of the model's logits.</param>
    /// <param name="tag">The texts between which it thinks.</param>
    /// <param name="isOpen">Whether the prompt ends within the reasoning; else the answer may begin with it, where the opening text is one token.</param>
    public AfterReasoning(ITokenConstraint inner, Tokenizer tokenizer, int vocabulary, ReasoningTag tag, bool isOpen)
    {
        (this.inner, this.tokenizer) = (inner, tokenizer);
        close = Encoding.UTF8.GetBytes(tag.Close);
        straddling = Straddling.Of(tokenizer).Find(tokenizer, vocabulary, tag.Close);
        openToken = tokenizer.Encode(tag.Open, addSpecial: false, parseSpecial: true) is [var id] ? id : null;
        free = new ulong[(vocabulary + 63) / 64];
        mask = new ulong[free.Length];
        for (var token = 0; token < Math.Min(vocabulary, tokenizer.Count); token++)
        {
            if (!tokenizer.EndOfTurn.Contains(token)) free[token >> 6] |= 1UL << token;
        }
        state = begin = isOpen ? State.Thinking : openToken is null ? State.Over : State.Start;
    }

    private enum State
    {
        Start, // it may think or speak
        Thinking,
        Over,
    }

    public ReadOnlySpan<ulong> Allowed
    {
        get
        {
            if (state == State.Over) return inner.Allowed;
            if (state == State.Start)
            {
                inner.Allowed.CopyTo(mask);
                mask[openToken!.Value >> 6] |= 1UL << openToken.Value;
                return mask;
            }
            if (matched == 0) return free;
            free.CopyTo(mask, 0);
            foreach (var (token, before) in straddling)
            {
                if (before == matched) mask[token >> 6] &= ~(1UL << token);
            }
            return mask;
        }
    }

    public void Accept(int token)
    {
        switch (state)
        {
            case State.Over:
                inner.Accept(token);
                break;
            case State.Start when token == openToken:
                (state, matched) = (State.Thinking, 0);
                break;
            case State.Start:
                state = State.Over;
                inner.Accept(token);
                break;
            default:
                if (tokenizer.EndOfTurn.Contains(token)) throw new InvalidOperationException($"token {token} ends the turn within the reasoning");
                if (Closes(tokenizer.Bytes(token))) state = State.Over;
                break;
        }
    }

    public void Reset()
    {
        (state, matched) = (begin, 0);
        inner.Reset();
    }

    // No closing text has a beginning that comes again within it, so that after a mismatch only the last byte can begin it.
    private bool Closes(ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
        {
            matched = value == close[matched] ? matched + 1 : value == close[0] ? 1 : 0;
            if (matched < close.Length) continue;
            matched = 0;
            return true;
        }
        return false;
    }

    /// <summary>Tokens that complete a closing text and go on with what is no white space: they cannot be taken, for the form begins within them.</summary>
    private sealed class Straddling
    {
        private static readonly ConditionalWeakTable<Tokenizer, Straddling> Known = [];
        private readonly Dictionary<string, List<(int, int)>> found = new(StringComparer.Ordinal);

        public static Straddling Of(Tokenizer tokenizer) => Known.GetValue(tokenizer, static _ => new Straddling());

        public List<(int Token, int Matched)> Find(Tokenizer tokenizer, int vocabulary, string close)
        {
            lock (found)
            {
                if (found.TryGetValue(close, out var known)) return known;
                var text = Encoding.UTF8.GetBytes(close);
                known = [];
                for (var token = 0; token < Math.Min(vocabulary, tokenizer.Count); token++)
                {
                    var bytes = tokenizer.Bytes(token);
                    for (var before = 1; before < text.Length; before++)
                    {
                        var rest = text.AsSpan(before);
                        if (bytes.StartsWith(rest) && !bytes[rest.Length..].Trim(" \t\r\n"u8).IsEmpty) known.Add((token, before));
                    }
                }
                found.Add(close, known);
                return known;
            }
        }
    }
}
