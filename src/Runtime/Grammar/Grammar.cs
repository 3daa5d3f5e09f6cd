using System.Runtime.CompilerServices;

namespace WarpDecode.Runtime.Grammars;

/// <summary>A form that a text must have, compiled. Immutable and safe to use from many threads, for any number of answers.</summary>
public sealed class Grammar
{
    private readonly Automaton automaton;
    private readonly ConditionalWeakTable<TokenIndex, TokenMasks> masks = [];

    private Grammar(RuleSet rules) => automaton = AutomatonBuilder.Build(rules);

    /// <summary>Reads a grammar in GBNF, the notation of llama.cpp. Its rule <c>root</c> is what the whole text must be.</summary>
    /// <exception cref="GrammarException">It is not GBNF, a rule begins with itself, or it is too large.</exception>
    public static Grammar Parse(string gbnf)
    {
        ArgumentNullException.ThrowIfNull(gbnf);
        return new Grammar(GbnfParser.Parse(gbnf));
    }

    /// <summary>
    /// The JSON texts that are valid by a JSON Schema (draft 2020-12). What the grammar cannot hold to is an error, so that every text is valid;
    /// not every valid one is written: properties come in the schema's order, with at most one space after <c>,</c> and <c>:</c>.
    /// </summary>
    /// <exception cref="GrammarException">It is not a JSON Schema, or uses a keyword in a way that is not supported; the message has its place.</exception>
    public static Grammar FromJsonSchema(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        return new Grammar(JsonSchemas.SchemaCompiler.Compile(json));
    }

    /// <summary>A grammar of rules that are there already.</summary>
    internal static Grammar Of(RuleSet rules) => new(rules);

    /// <summary>Whether a whole text, as UTF-8, is of the grammar. Tokens that the grammar names are not looked for.</summary>
    /// <exception cref="GrammarException">The grammar is too ambiguous to be followed.</exception>
    public bool Matches(ReadOnlySpan<byte> text)
    {
        var machine = new StateMachine(automaton);
        var state = machine.Start;
        foreach (var value in text)
        {
            state = machine.Step(state, value);
            if (state.IsDead) return false;
        }
        return state.IsComplete;
    }

    /// <summary>What tokens may come when, for a vocabulary.</summary>
    internal TokenMasks MasksFor(TokenIndex tokens)
    {
        lock (masks)
        {
            if (!masks.TryGetValue(tokens, out var found)) masks.Add(tokens, found = new TokenMasks(automaton, tokens));
            return found;
        }
    }
}
