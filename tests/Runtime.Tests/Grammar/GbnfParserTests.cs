using System.Text;
using CsCheck;
using WarpDecode.Bench;
using WarpDecode.Runtime.Grammars;
using Xunit;

namespace WarpDecode.Runtime.Tests.Grammars;

public class GbnfParserTests
{
    [Theory]
    [InlineData("root ::= \"a\" [b-d]+ # comment\n", "abcd", "a")]
    [InlineData("root ::= (\n  # inside\n  \"a\"\n  | \"b\"\n)\n\n", "b", "c")]
    [InlineData("root ::= \"a\" |\n  \"b\" |\n  c-1_X\nc-1_X ::= \"c\"", "c", "d")]
    [InlineData("root ::= \"a\"\n  | \"b\"\r\n  | \"c\"\r\n", "c", "d")]
    [InlineData("root ::=\n  \"a\"", "a", "")]
    [InlineData("root ::= \"abc\"{2}", "abcabc", "abc")]
    [InlineData("root ::= [ab]{ 1 , 2 }", "ab", "aba")]
    [InlineData("root ::= [ab]{2,}", "abab", "a")]
    [InlineData("root ::= [ab]{,2}", "", "aaa")]
    [InlineData("root ::= \"\\x41\\u00e9\\U0001F600\\n\\t\\r\\\\\\\"\\[\\]\"", "Aé😀\n\t\r\\\"[]", "A")]
    [InlineData("root ::= [\\]\\[\\\\^a-]+", "][\\^a-", "b")]
    [InlineData("root ::= [^\\n\\x00-\\x1F\"]+", "é日😀 ~", "a\nb")]
    [InlineData("root ::= .", "😀", "")]
    [InlineData("root ::= ...", "aé\n", "aé")]
    [InlineData("root ::= \"a\"*?", "aaa", "b")]
    [InlineData("root ::= | \"a\"", "", "b")]
    public void Reads(string gbnf, string fits, string not)
    {
        var grammar = Grammar.Parse(gbnf);
        Assert.True(grammar.Matches(Encoding.UTF8.GetBytes(fits)));
        Assert.False(grammar.Matches(Encoding.UTF8.GetBytes(not)));
    }

    [Theory]
    [InlineData("root ::= \"a", "line 1, column 10", "no closing")]
    [InlineData("root ::= [a", "line 1, column 10", "no closing")]
    [InlineData("root ::= [z-a]", "line 1, column 11", "lower to the higher")]
    [InlineData("root ::= []", "line 1, column 10", "without characters")]
    [InlineData("root ::= (\"a\"\n  \"b\"", "line 1, column 10", "no ')'")]
    [InlineData("root ::= \"a\")", "line 1, column 13", "without a '('")]
    [InlineData("root ::= \"a\"\nx ::= missing", "line 2, column 7", "'missing' is not defined")]
    [InlineData("root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1", "defined twice")]
    [InlineData("root ::= * \"a\"", "line 1, column 10", "nothing")]
    [InlineData("root ::= \"a\"{3,2}", "line 1, column 13", "below its minimum")]
    [InlineData("root ::= \"a\"{2000000}", "line 1, column 14", "up to 1000000")]
    [InlineData("root ::= \"a\"{x}", "line 1, column 14", "expected a number")]
    [InlineData("root ::= \"\\q\"", "line 1, column 11", "unknown escape")]
    [InlineData("root ::= \"\\uD800\"", "line 1, column 11", "no character")]
    [InlineData("root ::= \"\\u12\"", "line 1, column 11", "4 hexadecimal")]
    [InlineData("root = \"a\"", "line 1, column 6", "expected ::=")]
    [InlineData("root ::= <[x]>", "line 1, column 10", "<[id]>")]
    [InlineData("root ::= !\"a\"", "line 1, column 10", "negates a token")]
    [InlineData("root ::= \"a\" $", "line 1, column 14", "unexpected '$'")]
    [InlineData("x ::= \"a\"", "no rule 'root'", "")]
    [InlineData("", "no rule 'root'", "")]
    public void SaysWhereItIsWrong(string gbnf, string place, string what)
    {
        var message = Assert.Throws<GrammarException>(() => Grammar.Parse(gbnf)).Message;
        Assert.Contains(place, message, StringComparison.Ordinal);
        Assert.Contains(what, message, StringComparison.Ordinal);
    }

    [Fact]
    public void AnythingElseIsAnErrorOfTheGrammar()
    {
        var pieces = RandomGrammars.AnyOf("root", " ::= ", "\"a\"", "[", "]", "(", ")", "{", "}", "1", ",", "*", "+", "?", "|", "\n", "\\", "\"", "<", ">", "!", "^", "-", "#", ".", "\uD800", "é", "\0", "\\x4", "\\U0010FFFF", "\\UFFFFFFFF", "99999999999", "\r", "[^", "a-z");
        pieces.Array[0, 14].Select(p => "root ::= " + string.Concat(p)).Sample(
            text =>
            {
                try
                {
                    Grammar.Parse(text).Matches("aa"u8);
                }
                catch (GrammarException e)
                {
                    Assert.NotEmpty(e.Advice);
                }
            },
            iter: 20_000, threads: 1);
        Gen.Select(Gen.Int[0, GrammarCases.Schemas.Length - 1], Gen.Int[0, 400], RandomGrammars.AnyOf("", "{", "}", "[", "]", "\"", ":", ",", "-1", "1e999", "null", "true", "\"\\ud800\"", "\"$ref\":\"#\",", "\"type\":\"x\",")).Sample(
            (which, at, piece) =>
            {
                var schema = GrammarCases.Schemas[which].Schema;
                at %= schema.Length;
                try
                {
                    Grammar.FromJsonSchema(string.Concat(schema.AsSpan(0, at), piece, schema.AsSpan(at + (piece.Length == 0 ? 1 : 0)))).Matches("{}"u8);
                }
                catch (GrammarException e)
                {
                    Assert.NotEmpty(e.Advice);
                }
            },
            iter: 2_000, threads: 1);
    }
}
