using System.Runtime.CompilerServices;
using WarpDecode.Runtime.Sampling;

namespace WarpDecode.Runtime.Grammars;

/// <summary>What tokens may come next within a part of a grammar, whatever surrounds it.</summary>
/// <param name="Bits">The tokens that the part itself takes, to its end or not.</param>
/// <param name="Leaves">The nodes of the vocabulary's tree where the part may end and longer tokens go on: these depend on what surrounds it.</param>
internal sealed record PartMask(ulong[] Bits, int[] Leaves);

/// <summary>
/// Which tokens may come next in each state of a text, for one grammar and one vocabulary. For constraints on any threads.
/// </summary>
/// <remarks>
/// A state's mask is put together from its parts': a walk through the vocabulary's tree (milliseconds where nearly everything is allowed, as in
/// a string) happens once for a part of the grammar, and only the tokens that go on beyond its end are looked at for each surrounding. A
/// repetition that is counted has a part for each number of times left; it differs from that of a repetition without an end only in tokens
/// that have more bytes than there are times left, so only those are looked at again.
/// </remarks>
internal sealed class TokenMasks
{
    private const int MostNext = 1024; // states after named tokens that a state keeps

    private readonly TokenIndex tokens;
    private readonly StateMachine machine;
    private readonly Lock gate = new();
    private readonly int words;
    private readonly long mostMasks;
    private readonly int[] named; // the token of each reference in the grammar
    private readonly bool[] negated;
    private readonly ulong[] text; // all tokens that are text
    private ParseState[] path = [];
    private long keptMasks;

    /// <summary>Masks of a grammar for a vocabulary.</summary>
    /// <exception cref="GrammarException">The grammar names a token that the vocabulary does not have.</exception>
    public TokenMasks(Automaton automaton, TokenIndex tokens)
    {
        this.tokens = tokens;
        words = (tokens.Vocabulary + 63) / 64;
        mostMasks = Math.Max(64, GrammarLimits.KeptMasks / (8L * words));
        path = new ParseState[tokens.Longest[0] + 1];
        machine = new StateMachine(automaton);
        named = [.. automaton.TokenReferences.Select(Resolve)];
        negated = [.. automaton.TokenReferences.Select(t => t.Negated)];
        text = new ulong[words];
        foreach (var token in tokens.Tokens) tokens.Set(text, token);
        Ends = new ulong[words];
        foreach (var end in tokens.Ends) Ends[end >> 6] |= 1UL << end;
    }

    /// <summary>The state before any text.</summary>
    public ParseState Start => machine.Start;

    /// <summary>The tokens that end a turn, as a mask.</summary>
    public ulong[] Ends { get; }

    /// <summary>Whether a token ends a turn.</summary>
    public bool IsEnd(int token) => tokens.Ends.AsSpan().Contains(token);

    /// <summary>Which tokens may come next.</summary>
    /// <exception cref="InvalidOperationException">None may: the vocabulary lacks what the grammar asks for.</exception>
    public ulong[] MaskOf(ParseState state) => state.Mask ?? Find(state);

    /// <summary>The state after a token, or null where it may not come.</summary>
    public ParseState? After(ParseState state, int token)
    {
        var bytes = tokens.BytesOf(token);
        var next = bytes.IsEmpty ? null : After(state, bytes);
        if (named.Length > 0) return AfterNamed(state, next, token);
        return next is null || next.IsDead ? null : next;
    }

    /// <summary>The same of a grammar that names tokens; apart, for what it captures is made anew each time.</summary>
    private ParseState? AfterNamed(ParseState state, ParseState? afterBytes, int token)
    {
        lock (gate)
        {
            state.NextByToken ??= [];
            if (!state.NextByToken.TryGetValue(token, out var both))
            {
                both = machine.StepToken(state, afterBytes, reference => Matches(reference, token));
                if (state.NextByToken.Count < MostNext) state.NextByToken[token] = both;
            }
            return both.IsDead ? null : both;
        }
    }

    /// <summary>The state after bytes.</summary>
    public ParseState After(ParseState state, ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
        {
            var next = machine.Known(state, value);
            if (next is null)
            {
                lock (gate)
                {
                    machine.Work = 0;
                    next = machine.Step(state, value);
                }
            }
            state = next;
            if (state.IsDead) break;
        }
        return state;
    }

    private bool Matches(int reference, int token) =>
        negated[reference] ? named[reference] != token && !tokens.BytesOf(token).IsEmpty && !IsEnd(token) : named[reference] == token;

    private int Resolve(TokenReference reference)
    {
        if (reference.Id is { } id)
        {
            if (id < tokens.Vocabulary) return id;
            throw new GrammarException($"the grammar names token {id}; this model's vocabulary has 0 to {tokens.Vocabulary - 1}", "Use the id of a token of this model.");
        }
        return tokens.Name(reference.Text!) ?? throw new GrammarException(
            $"the grammar names the token {reference.Text}, and that text is not just one token of this model", "Name a token of this model, or write the text as a literal.");
    }

    private ulong[] Find(ParseState state)
    {
        lock (gate)
        {
            if (state.Mask is { } known) return known;
            machine.Work = 0;
            var mask = new ulong[words];
            foreach (var (surrounding, threads) in Surroundings(state))
            {
                var part = PartOf(threads);
                for (var i = 0; i < mask.Length; i++) mask[i] |= part.Bits[i];
                if (surrounding.Site is null) continue;
                var after = machine.Return(surrounding);
                foreach (var node in part.Leaves) Walk(after, node, mask, null);
            }
            if (named.Length > 0) AddNamed(state, mask);
            if (state.IsComplete)
            {
                for (var i = 0; i < mask.Length; i++) mask[i] |= Ends[i];
            }
            if (!mask.AsSpan().ContainsAnyExcept(0UL)) ThrowDeadEnd(state);
            Keep();
            return state.Mask = mask;
        }
    }

    private void Keep()
    {
        if (++keptMasks < mostMasks) return;
        foreach (var state in machine.States) (state.Mask, state.Part) = (null, null);
        keptMasks = 0;
    }

    /// <summary>The threads of a state by what surrounds the part that they are in, counted repetitions being of the part.</summary>
    private Dictionary<StackFrame, List<ParseThread>> Surroundings(ParseState state)
    {
        var groups = new Dictionary<StackFrame, List<ParseThread>>(ReferenceEqualityComparer.Instance);
        foreach (var thread in state.Threads)
        {
            var below = thread.Stack;
            while (below.Site is { IsLoop: true }) below = below.Below!;
            if (!groups.TryGetValue(below, out var threads)) groups.Add(below, threads = []);
            threads.Add(thread);
        }
        return groups;
    }

    private PartMask PartOf(List<ParseThread> threads)
    {
        // With as many times left as a token can take, it is as if there were no end.
        var beyond = tokens.Longest[0] + 1;
        var same = int.MaxValue; // tokens of up to so many bytes are as they are without an end
        foreach (var (_, stack) in threads)
        {
            for (var frame = stack; frame.Site is { IsLoop: true }; frame = frame.Below!)
            {
                same = Math.Min(same, Math.Min(frame.Most, beyond) - 1);
                if (frame.Least > 1) same = Math.Min(same, frame.Least - 1);
            }
        }
        var start = machine.Of(threads.ConvertAll(t => t with { Stack = Cut(t.Stack, beyond, endless: false) }));
        if (start.Part is { } known) return known;
        if (same >= beyond - 1) return Keep(start, FindPart(start));
        var endless = machine.Of(threads.ConvertAll(t => t with { Stack = Cut(t.Stack, beyond, endless: true) }));
        var like = endless.Part ?? (endless.Part = FindPart(endless));
        return Keep(start, ReferenceEquals(start, endless) ? like : FindPart(start, like, same));

        PartMask Keep(ParseState of, PartMask part)
        {
            keptMasks++;
            return of.Part = part;
        }
    }

    /// <summary>A stack down to what surrounds the part, with numbers only as large as matter to one token.</summary>
    private StackFrame Cut(StackFrame stack, int beyond, bool endless)
    {
        if (stack.Site is not { IsLoop: true } site) return machine.Unknown;
        var below = Cut(stack.Below!, beyond, endless);
        var most = stack.Most == int.MaxValue ? int.MaxValue : endless ? beyond : Math.Min(stack.Most, beyond);
        var least = stack.Least <= 1 ? 1 : endless ? beyond : Math.Min(stack.Least, beyond);
        return machine.Frame(site, most, least, below);
    }

    private PartMask FindPart(ParseState start)
    {
        var (bits, leaves) = (new ulong[words], new List<int>());
        Walk(start, 0, bits, leaves);
        return new PartMask(bits, [.. leaves]);
    }

    /// <summary>Sets the bits of the tokens below a node that may come next, and notes where they leave the part.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // a first visit is one long loop
    private void Walk(ParseState start, int root, ulong[] bits, List<int>? leaves)
    {
        var (bytes, depths, ends, next) = (tokens.Bytes, tokens.Depths, tokens.Tokens, tokens.Next);
        path[depths[root]] = start;
        var last = next[root];
        for (var node = root + 1; node < last;)
        {
            var depth = depths[node];
            var state = Step(path[depth - 1], bytes[node]);
            if (state.IsDead)
            {
                node = next[node];
                continue;
            }
            path[depth] = state;
            if (ends[node] >= 0) tokens.Set(bits, ends[node]);
            if (state.Leaves && next[node] > node + 1) leaves?.Add(node);
            node = state.Threads.Length == 0 ? next[node] : node + 1;
        }
    }

    /// <summary>The same as a part that is known, but for tokens of more than <paramref name="same"/> bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // a first visit is one long loop
    private PartMask FindPart(ParseState start, PartMask like, int same)
    {
        var (bytes, depths, ends, next, longest) = (tokens.Bytes, tokens.Depths, tokens.Tokens, tokens.Next, tokens.Longest);
        var (bits, leaves, known) = ((ulong[])like.Bits.Clone(), new List<int>(), 0);
        path[0] = start;
        for (var node = 1; node < bytes.Length;)
        {
            if (longest[node] <= same)
            {
                while (known < like.Leaves.Length && like.Leaves[known] < node) known++;
                for (; known < like.Leaves.Length && like.Leaves[known] < next[node]; known++) leaves.Add(like.Leaves[known]);
                node = next[node];
                continue;
            }
            var depth = depths[node];
            var state = Step(path[depth - 1], bytes[node]);
            if (state.IsDead)
            {
                if (depth > same) ClearBelow(node, next[node]);
                node = next[node];
                continue;
            }
            path[depth] = state;
            if (ends[node] >= 0) tokens.Set(bits, ends[node]);
            if (state.Leaves && next[node] > node + 1) leaves.Add(node);
            if (state.Threads.Length == 0)
            {
                ClearBelow(node + 1, next[node]);
                node = next[node];
            }
            else
            {
                node++;
            }
        }
        return new PartMask(bits, [.. leaves]);

        void ClearBelow(int from, int to)
        {
            for (; from < to; from++)
            {
                if (ends[from] >= 0) tokens.Clear(bits, ends[from]);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ParseState Step(ParseState from, byte value)
    {
        var next = machine.Step(from, value);
        if (machine.Work > GrammarLimits.Work) ThrowAmbiguous();
        return next;
    }

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private static void ThrowAmbiguous() => throw new GrammarException("the grammar is too ambiguous: finding what may come next takes too long",
        "Make a text be made of the grammar's parts in few ways.");

    private void AddNamed(ParseState state, ulong[] mask)
    {
        foreach (var thread in state.Threads)
        {
            foreach (var (reference, _) in machine.TokensOf(thread))
            {
                var token = named[reference];
                if (negated[reference])
                {
                    // The named token stays as what else allows it.
                    var before = mask[token >> 6] & (1UL << token);
                    for (var i = 0; i < mask.Length; i++) mask[i] |= text[i];
                    mask[token >> 6] = (mask[token >> 6] & ~(1UL << token)) | before;
                }
                else if (!IsEnd(token))
                {
                    mask[token >> 6] |= 1UL << token;
                }
            }
        }
    }

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private static void ThrowDeadEnd(ParseState state) => throw new NoTokenException(state.IsComplete
        ? "the text is complete by the grammar, and this model has no token that ends a turn"
        : "no token of this model's vocabulary can go on as the grammar asks: it lacks a character that must come here");
}
