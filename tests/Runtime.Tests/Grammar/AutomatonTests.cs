using System.Text;
using CsCheck;
using WarpDecode.Bench;
using WarpDecode.Runtime.Grammars;
using Xunit;

namespace WarpDecode.Runtime.Tests.Grammars;

/// <summary>The automaton against a recogniser that knows nothing of it, and masks against bytes one by one.</summary>
public class AutomatonTests
{
    [Fact]
    public void SaysWhatTheNaiveRecogniserSays()
    {
        var (fits, compiled) = (0, 0);
        Gen.Select(RandomGrammars.Gbnf, RandomGrammars.Text.Array[8]).Sample(
            (gbnf, texts) =>
            {
                if (TryParse(gbnf) is not { } grammar) return;
                Interlocked.Increment(ref compiled);
                var naive = new NaiveRecogniser(GbnfParser.Parse(gbnf));
                foreach (var text in texts)
                {
                    var bytes = Encoding.UTF8.GetBytes(text);
                    var expected = naive.Matches(bytes);
                    if (expected) Interlocked.Increment(ref fits);
                    bool said;
                    try
                    {
                        said = grammar.Matches(bytes);
                    }
                    catch (GrammarException e) when (e.Message.Contains("ways at once", StringComparison.Ordinal))
                    {
                        return;
                    }
                    Assert.True(expected == said, $"'{text}' {(expected ? "is" : "is not")} of\n{gbnf}");
                }
            },
            iter: 3000, threads: 1, seed: "0000KmoqTyz4");
        Assert.True(compiled > 1000 && fits > 1000, $"{compiled} grammars, {fits} texts of them: too few to say anything");
    }

    [Fact]
    public void AMaskHasTheTokensWhoseBytesMayCome()
    {
        string[] pieces = ["a", "b", "c", "é", "日", "\n", "ab", "aa", "ba", "aab", "abab", "bbbbbb", "éa", "日日", "aé日b", "a\n", "aaaaaaaaaaaaaaaaaaaaaa", "bab", "aaaabaaa"];
        var tokens = pieces.Select(Encoding.UTF8.GetBytes).Concat([[0xC3], [0xA9], [0xE6, 0x97], [0xA5], [(byte)'a', 0xC3], [0xA9, (byte)'b'], [], [(byte)'a']]).ToArray();
        var end = tokens.Length;
        var index = new TokenIndex([.. tokens, []], [end], _ => null, end + 1);
        var steps = 0;
        Gen.Select(RandomGrammars.Gbnf, Gen.Int[0, 1 << 30]).Sample(
            (gbnf, seed) =>
            {
                try
                {
                    Follow(gbnf, seed);
                }
                catch (GrammarException e) when (e.Message.Contains("ways at once", StringComparison.Ordinal))
                {
                    // refused, and not wrong
                }
            },
            iter: 2500, threads: 1, seed: "0000KmoqTyz4");
        Assert.True(steps > 2000, $"{steps} masks: too few to say anything");

        void Follow(string gbnf, int seed)
        {
            if (TryParse(gbnf) is not { } grammar) return;
            var constraint = new GrammarConstraint(grammar.MasksFor(index));
            // Byte by byte with an automaton that never sees a mask.
            var machine = new StateMachine(AutomatonBuilder.Build(GbnfParser.Parse(gbnf)));
            var state = machine.Start;
            var random = new Random(seed);
            for (var i = 0; i < 12; i++)
            {
                // One that can be read in ever more ways is not followed further.
                if (state.Threads.Length > 300) return;
                steps++;
                var possible = new List<int>();
                for (var id = 0; id <= end; id++)
                {
                    var isAllowed = id == end ? state.IsComplete : tokens[id].Length > 0 && !After(machine, state, tokens[id]).IsDead;
                    if (isAllowed) possible.Add(id);
                }
                if (possible.Count == 0) // a character that no token has
                {
                    Assert.ThrowsAny<InvalidOperationException>(() => constraint.Allowed.Length);
                    return;
                }
                var mask = constraint.Allowed.ToArray();
                Assert.Equal(possible, Enumerable.Range(0, end + 1).Where(id => (mask[id >> 6] >> id & 1) != 0));
                var token = possible[random.Next(possible.Count)];
                constraint.Accept(token);
                if (token == end) return;
                state = After(machine, state, tokens[token]);
                Assert.Equal(state.IsComplete, constraint.IsComplete);
            }
        }
    }

    [Theory]
    [InlineData("root ::= root \"a\" | \"b\"", "root → root")]
    [InlineData("root ::= x \"a\"\nx ::= y? root | \"b\"\ny ::= \"c\"", "root → x → root")]
    [InlineData("root ::= \"a\" x\nx ::= (y | \"\") x \"b\" | \"c\"\ny ::= \"d\"*", "x → x")]
    [InlineData("root ::= \"x\" (root | a){1,90}\na ::= a \"b\"", "a → a")]
    [InlineData("root ::= ((root \"b\"){1,90} | \"c\")", "root → root")]
    public void LeftRecursionIsRefusedByName(string gbnf, string circle) =>
        Assert.Contains(circle, Assert.Throws<GrammarException>(() => Grammar.Parse(gbnf)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("root ::= \"a\" root")]
    [InlineData("root ::= \"a\" x\nx ::= [ab] y\ny ::= \"c\" x")]
    public void WhatHasNoEndIsRefused(string gbnf) =>
        Assert.Contains("no end", Assert.Throws<GrammarException>(() => Grammar.Parse(gbnf)).Message, StringComparison.Ordinal);

    [Fact]
    public void AWayWithoutAnEndIsNotTaken()
    {
        var grammar = Grammar.Parse("root ::= \"a\" (dead | \"b\")\ndead ::= \"c\" dead");
        Assert.True(grammar.Matches("ab"u8));
        Assert.False(Allows(grammar, "a", "c"));
    }

    [Theory]
    [InlineData("root ::= [a-z]{0,100000}", 100000, true)]
    [InlineData("root ::= [a-z]{0,100000}", 100001, false)]
    [InlineData("root ::= ([a-z]){99999,100000}", 99998, false)]
    [InlineData("root ::= ([a-z]){99999,100000}", 99999, true)]
    [InlineData("root ::= ([a-z]+ | \"x\")*", 20000, true)]
    [InlineData("root ::= (([a-z]*)*)* x\nx ::= y*\ny ::= (\"z\" | \"\")", 5000, true)]
    [InlineData("root ::= x\nx ::= [a-z] x | \"\"", 50000, true)]
    public void ManyTimesAreCountedAndNotWrittenOut(string gbnf, int letters, bool fits) =>
        Assert.Equal(fits, Grammar.Parse(gbnf).Matches(Encoding.ASCII.GetBytes(new string('x', letters))));

    [Fact]
    public void HostileGrammarsAreRefusedQuickly()
    {
        var ambiguous = Grammar.Parse("root ::= (([ab]{1,400}){1,400}){1,400} \"c\"");
        var error = Record.Exception(() => ambiguous.Matches(Encoding.ASCII.GetBytes(new string('a', 2000))));
        Assert.True(error is null or GrammarException);
        var nested = string.Concat(Enumerable.Range(0, 40).Select(i => $"r{i} ::= r{i + 1} \"a\" | r{i + 1} \"b\"\n"));
        error = Record.Exception(() => Grammar.Parse("root ::= r0\n" + nested + "r40 ::= \"c\"").Matches("ca"u8));
        Assert.Contains("ways at once", Assert.IsType<GrammarException>(error).Message, StringComparison.Ordinal);
        Assert.Contains("can be empty", Assert.Throws<GrammarException>(() => Grammar.Parse("root ::= (\"a\"?){0,100000}")).Message, StringComparison.Ordinal);
        Assert.Throws<GrammarException>(() => Grammar.Parse("root ::= " + new string('(', 100_000)));
        Assert.Throws<GrammarException>(() => Grammar.Parse("root ::= \"a\"" + new string('*', 100_000)));
        // Rules that each name the one before twice grow twofold a rule where they are put in place of their names.
        var doubling = "root ::= d30\nd0 ::= \"a\"\n" + string.Concat(Enumerable.Range(1, 30).Select(i => $"d{i} ::= d{i - 1} d{i - 1}\n"));
        Assert.False(Grammar.Parse(doubling).Matches("aaaa"u8));
    }

    [Fact]
    public void TokensThatAGrammarNamesAreTakenWhole()
    {
        byte[][] tokens = ["a"u8.ToArray(), "b"u8.ToArray(), [], "ab"u8.ToArray(), []];
        var index = new TokenIndex(tokens, [4], text => text == "<think>" ? 2 : null, 5);
        var constraint = new GrammarConstraint(Grammar.Parse("root ::= <think> !<[1]>* <[1]> \"a\"").MasksFor(index));
        Assert.Equal([2], Allowed(constraint));
        constraint.Accept(2);
        Assert.Equal([0, 1, 3], Allowed(constraint));
        constraint.Accept(3);
        constraint.Accept(1);
        Assert.Equal([0], Allowed(constraint));
        Assert.ThrowsAny<InvalidOperationException>(() => constraint.Accept(1));
        Assert.ThrowsAny<InvalidOperationException>(() => constraint.Accept(4));
        constraint.Accept(0);
        Assert.Equal([4], Allowed(constraint));
        constraint.Accept(4);
        Assert.Equal([4], Allowed(constraint));
        Assert.Throws<GrammarException>(() => Grammar.Parse("root ::= <other>").MasksFor(index));
        Assert.Throws<GrammarException>(() => Grammar.Parse("root ::= <[5]>").MasksFor(index));
    }

    [Fact]
    public void WhereTheVocabularyLacksACharacterItSaysSo()
    {
        var index = new TokenIndex(["a"u8.ToArray(), []], [1], _ => null, 2);
        var constraint = new GrammarConstraint(Grammar.Parse("root ::= \"a\" \"b\"").MasksFor(index));
        constraint.Accept(0);
        Assert.Contains("lacks a character", Assert.ThrowsAny<InvalidOperationException>(() => constraint.Allowed.Length).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ManyConversationsAtOnceSeeTheSame()
    {
        var tokens = Enumerable.Range(0, 256).Select(b => new[] { (byte)b }).Append([]).ToArray();
        var index = new TokenIndex(tokens, [256], _ => null, 257);
        var masks = Grammar.FromJsonSchema("{}").MasksFor(index);
        var text = """[{"a":[1,2.5e3,"x\u00e9\"y"],"b":{"c":null}},true,"日本"]"""u8.ToArray();
        Parallel.For(0, 8, _ =>
        {
            for (var round = 0; round < 20; round++)
            {
                var constraint = new GrammarConstraint(masks);
                foreach (var value in text)
                {
                    Assert.Contains(value, Allowed(constraint));
                    constraint.Accept(value);
                }
                Assert.True(constraint.IsComplete);
            }
        });
    }

    private static int[] Allowed(GrammarConstraint constraint)
    {
        var mask = constraint.Allowed.ToArray();
        return [.. Enumerable.Range(0, mask.Length * 64).Where(id => (mask[id >> 6] >> id & 1) != 0)];
    }

    private static bool Allows(Grammar grammar, string before, string next)
    {
        var index = new TokenIndex([.. Enumerable.Range(0, 128).Select(b => new[] { (byte)b }), []], [128], _ => null, 129);
        var constraint = new GrammarConstraint(grammar.MasksFor(index));
        foreach (var c in before) constraint.Accept(c);
        return Allowed(constraint).Contains(next[0]);
    }

    private static ParseState After(StateMachine machine, ParseState state, byte[] bytes)
    {
        foreach (var value in bytes) state = machine.Step(state, value);
        return state;
    }

    private static Grammar? TryParse(string gbnf)
    {
        try
        {
            return Grammar.Parse(gbnf);
        }
        catch (GrammarException e) when (e.Message.Contains("left recursion", StringComparison.Ordinal) || e.Message.Contains("no end", StringComparison.Ordinal)
            || e.Message.Contains("can be empty", StringComparison.Ordinal))
        {
            return null;
        }
    }
}
