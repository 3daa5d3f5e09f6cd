using System.Runtime.CompilerServices;

namespace WarpDecode.Runtime.Grammars;

/// <summary>
/// Runs an automaton over bytes with all threads of parsing at once, and keeps what it has found: the states of a text are those of a
/// deterministic automaton that is made as it is used. Not for several threads at once, but for <see cref="Step"/> where the way is known.
/// </summary>
internal sealed class StateMachine
{
    private readonly Automaton automaton;
    private readonly Dictionary<ParseState, ParseState> states = new(new ParseStateComparer());
    private readonly Dictionary<(CallSite, int, int, StackFrame), StackFrame> frames = [];
    private readonly StackFrame bottom = new(0, null, 0, 0, null);
    private readonly List<ParseThread> pending = [];
    private readonly List<ParseThread> found = [];
    private readonly ParseState dead;
    private HashSet<ParseThread> seen = [];
    private long nextFrame = 2;
    private bool complete;
    private bool leaves;

    public StateMachine(Automaton automaton)
    {
        this.automaton = automaton;
        dead = new ParseState([], false, false, 0);
        Begin();
        Reach(automaton.Start, bottom);
        Start = End();
    }

    /// <summary>The state before any text.</summary>
    public ParseState Start { get; }

    /// <summary>The bottom of a stack of which no more is known.</summary>
    public StackFrame Unknown { get; } = new(1, null, 0, 0, null);

    /// <summary>Threads gone through since it was last set.</summary>
    public long Work { get; set; }

    /// <summary>States that are kept.</summary>
    public int Count => states.Count;

    /// <summary>All states that are kept.</summary>
    public IEnumerable<ParseState> States => states.Values;

    public ReadOnlySpan<byte> ClassOf => automaton.ClassOf;

    /// <summary>The state after a byte, if it was found before.</summary>
    public ParseState? Known(ParseState from, byte value) => from.IsDead ? from : from.Next[automaton.ClassOf[value]];

    /// <summary>The state after a byte.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ParseState Step(ParseState from, byte value)
    {
        if (from.IsDead) return from;
        var kind = automaton.ClassOf[value];
        return from.Next[kind] ?? (from.Next[kind] = Find(from, automaton.Representatives[kind]));
    }

    /// <summary>The state after a token that the grammar names, by what <paramref name="afterBytes"/> its bytes lead to, if they may come.</summary>
    public ParseState StepToken(ParseState from, ParseState? afterBytes, Func<int, bool> matches)
    {
        Begin();
        foreach (var (state, stack) in from.Threads)
        {
            foreach (var (reference, to) in automaton.Tokens[state])
            {
                if (matches(reference)) Reach(to, stack);
            }
        }
        if (afterBytes is not null)
        {
            complete |= afterBytes.IsComplete;
            foreach (var thread in afterBytes.Threads) Reach(thread.State, thread.Stack);
        }
        return End();
    }

    /// <summary>The tokens that a state takes as a whole, by their numbers in the grammar.</summary>
    public ReadOnlySpan<(int Reference, int To)> TokensOf(ParseThread thread) => automaton.Tokens[thread.State];

    /// <summary>The state of these threads.</summary>
    public ParseState Of(List<ParseThread> threads)
    {
        Begin();
        foreach (var thread in threads) Reach(thread.State, thread.Stack);
        return End();
    }

    /// <summary>The state in which the part that <paramref name="frame"/> called has just ended.</summary>
    public ParseState Return(StackFrame frame)
    {
        Begin();
        Leave(frame);
        return End();
    }

    /// <summary>The frame of these contents.</summary>
    public StackFrame Frame(CallSite site, int most, int least, StackFrame below)
    {
        var key = (site, most, least, below);
        if (!frames.TryGetValue(key, out var frame)) frames.Add(key, frame = new StackFrame(nextFrame++, site, most, least, below));
        return frame;
    }

    /// <summary>Forgets all states; those in use go on, and lead to new ones.</summary>
    public void Forget()
    {
        foreach (var state in states.Values)
        {
            Array.Clear(state.Next);
            (state.NextByToken, state.Mask, state.Part) = (null, null, null);
        }
        states.Clear();
        frames.Clear();
    }

    private ParseState Find(ParseState from, byte value)
    {
        Begin();
        foreach (var (state, stack) in from.Threads)
        {
            foreach (var (low, high, to) in automaton.Bytes[state])
            {
                if (value >= low && value <= high) Reach(to, stack);
            }
        }
        return End();
    }

    private void Begin()
    {
        pending.Clear();
        found.Clear();
        if (seen.Count > 256) seen = []; // clearing a table takes as long as it is large
        else seen.Clear();
        complete = leaves = false;
    }

    private void Reach(int state, StackFrame stack)
    {
        var thread = new ParseThread(state, stack);
        if (!seen.Add(thread)) return;
        if (seen.Count > GrammarLimits.Threads)
        {
            throw new GrammarException($"the grammar can read one text in more than {GrammarLimits.Threads} ways at once",
                "Make it less ambiguous: a text should be made of its parts in few ways.");
        }
        pending.Add(thread);
    }

    /// <summary>What follows where the part ends that <paramref name="frame"/> called.</summary>
    private void Leave(StackFrame frame)
    {
        if (frame.Site is not { } site)
        {
            if (ReferenceEquals(frame, bottom)) complete = true;
            else leaves = true;
            return;
        }
        if (!site.IsLoop)
        {
            Reach(site.Return, frame.Below!);
            return;
        }
        if (frame.Least <= 1) Reach(site.Return, frame.Below!);
        if (frame.Most > 1)
            Reach(site.Target, Frame(site, frame.Most == int.MaxValue ? int.MaxValue : frame.Most - 1, Math.Max(1, frame.Least - 1), frame.Below!));
    }

    private ParseState End()
    {
        while (pending.Count > 0)
        {
            var thread = pending[^1];
            pending.RemoveAt(pending.Count - 1);
            Work++;
            var (state, stack) = thread;
            if (automaton.IsFinal[state]) Leave(stack);
            foreach (var to in automaton.Free[state]) Reach(to, stack);
            foreach (var site in automaton.Calls[state])
            {
                if (site.IsTail) Reach(site.Target, stack);
                else Reach(site.Target, Frame(site, site.Most, site.Least, stack));
            }
            if (automaton.Bytes[state].Length > 0 || automaton.Tokens[state].Length > 0) found.Add(thread);
        }
        if (found.Count == 0 && !complete && !leaves) return dead;
        found.Sort(static (a, b) => a.State != b.State ? a.State.CompareTo(b.State) : a.Stack.Id.CompareTo(b.Stack.Id));
        var made = new ParseState(Narrowed(), complete, leaves, automaton.Representatives.Length);
        if (states.TryGetValue(made, out var known)) return known;
        if (states.Count >= GrammarLimits.KeptStates || frames.Count >= GrammarLimits.KeptStates * 4) Forget();
        states.Add(made, made);
        return made;
    }

    /// <summary>
    /// The threads without those that can do nothing which another cannot: of two in the same repetition that may both end, the one with
    /// fewer times left.
    /// </summary>
    private ParseThread[] Narrowed()
    {
        if (found.Count > 1)
        {
            var kept = 0;
            for (var i = 0; i < found.Count; i++)
            {
                var drop = false;
                // Threads of one state lie together; looking a few back is enough for what repetitions make of themselves.
                for (var j = kept - 1; j >= 0 && j >= kept - 8 && found[j].State == found[i].State && !drop; j--)
                {
                    if (Covers(found[j].Stack, found[i].Stack)) drop = true;
                    else if (Covers(found[i].Stack, found[j].Stack))
                    {
                        found[j] = found[i];
                        drop = true;
                    }
                }
                if (!drop) found[kept++] = found[i];
            }
            found.RemoveRange(kept, found.Count - kept);
            found.Sort(static (a, b) => a.State != b.State ? a.State.CompareTo(b.State) : a.Stack.Id.CompareTo(b.Stack.Id));
        }
        return [.. found];
    }

    private static bool Covers(StackFrame more, StackFrame less) =>
        more.Site is { IsLoop: true } && ReferenceEquals(more.Site, less.Site) && ReferenceEquals(more.Below, less.Below)
        && more.Most >= less.Most && more.Least <= less.Least;
}
