using System.Diagnostics;
using System.Text;
using CsCheck;
using WarpDecode.Chat.Ui.Markdown;
using WarpDecode.Chat.Ui.Text;
using Xunit;

namespace WarpDecode.Chat.Tests.Ui;

public class MarkdownTests
{
    private static List<string> Lines(string text, int width = 40, bool plain = false)
    {
        var stream = new MarkdownStream(plain) { Width = width };
        stream.Append(text);
        stream.Complete();
        return [.. stream.Lines.Select(line => line.ToString())];
    }

    /// <summary>Lines with their styles: every span with those of its letters that are no frame.</summary>
    internal static string Dump(MarkdownStream stream) =>
        string.Join('\n', stream.Lines.Select(line => string.Join('|', line.Spans.Select(span => $"{span.Text}<{(int)span.Ink}{span.Url}>")) + (int)line.Fill));

    [Theory]
    [InlineData("one\ntwo", "one/two")]
    [InlineData("one\n\n\ntwo", "one//two")]
    [InlineData("# Title\ntext", "Title/text")]
    [InlineData("text\n## Sub ##\ntext", "text//Sub/text")]
    [InlineData("Title\n=====\ntext", "Title/text")]
    [InlineData("a\nb\n---\nc", "a/b/────────────────────────────────────────/c")]
    [InlineData("- a\n- b\n  - c\n    - d\n- e", "• a/• b/  ◦ c/    ▪ d/• e")]
    [InlineData("1. a\n2. b\n   more\n3. c", "1. a/2. b/   more/3. c")]
    [InlineData("1. a\n1. b\n1. c", "1. a/2. b/3. c")]
    [InlineData("7) a\n8) b", "7) a/8) b")]
    [InlineData("1. a\n\n   para\n\n2. b", "1. a//   para//2. b")]
    [InlineData("1. a\n    - b\n    - c\n2. d", "1. a/   ◦ b/   ◦ c/2. d")]
    [InlineData("- [ ] open\n- [x] done", "• ☐ open/• ☑ done")]
    [InlineData("- a\nlazy", "• a/  lazy")]
    [InlineData("-\n  a", "• a")]
    [InlineData("text\n2. no list", "text/2. no list")]
    [InlineData("> a\n> b\n\nc", "│ a/│ b//c")]
    [InlineData("> a\nlazy\n> > b", "│ a/│ lazy/│ │ b")]
    [InlineData("> - a\n>   b\n> - c", "│ • a/│   b/│ • c")]
    [InlineData("> a\n>\n> b", "│ a/│ /│ b")]
    [InlineData("```cs\nvar a = 1;\n\n  b\n```\nafter", "cs/  var a = 1;/  /    b/after")]
    [InlineData("```\na\n~~~\n```", "code/  a/  ~~~")]
    [InlineData("````md\n```\n````", "md/  ```")]
    [InlineData("- item\n  ```sh\n  ls\n  ```\n- next", "• item/  sh/    ls/• next")]
    [InlineData("```\nnever closed", "code/  never closed")]
    [InlineData("a\n\n    code\n\n    more\n\nb", "a//  code/  /  more//b")]
    [InlineData("```\n\tx\ty\n```", "code/      x   y")]
    [InlineData("***\n---\n_ _ _", "────────────────────────────────────────/────────────────────────────────────────/────────────────────────────────────────")]
    [InlineData("a | b\n--|--:\n1 | 22\n333 | 4\n\nx", "a   │  b/────┼───/1   │ 22/333 │  4//x")]
    [InlineData("|a|b|\n|:-:|---|\n|long|2|\n|x|", " a   │ b/─────┼──/long │ 2/ x   │ ")]
    [InlineData("text\n| h |\n|---|\n| 1 |", "text//h/─/1")]
    [InlineData("| a |\n| --- | --- |", "| a |/| --- | --- |")]
    [InlineData("#hashtag\n####### seven", "#hashtag/####### seven")]
    [InlineData("a\\\nb  \nc", "a/b/c")]
    [InlineData("&amp; &lt;b&gt; &nosuch; &#27;[0m a<br>b <i>", "& <b> &nosuch; ␛[0m a/b <i>")]
    [InlineData("**bold** *it* ~~no~~ `x*y*` \\*", "bold it no x*y* *")]
    [InlineData("**open", "**open")]
    [InlineData("`open", "`open")]
    [InlineData("[text](http://a.b/c) end", "text (http://a.b/c) end")]
    [InlineData("[http://a.b](http://a.b)", "http://a.b")]
    [InlineData("![pic](x.png \"t\")", "pic (x.png)")]
    [InlineData("[no](link", "[no](link")]
    [InlineData("[ref][1] <https://a.b>", "[ref][1] https://a.b")]
    [InlineData("a word_with_underscores_here", "a word_with_underscores_here")]
    [InlineData("2 * 3 * 4", "2 * 3 * 4")]
    [InlineData("", "")]
    public void Documents(string text, string expected) => Assert.Equal(expected, string.Join('/', Lines(text)));

    [Theory]
    [InlineData("the quick brown fox", 10, "the quick/brown fox")]
    [InlineData("abcdefghijklmno", 6, "abcdef/ghijkl/mno")]
    [InlineData("- alpha beta gamma", 9, "• alpha/  beta/  gamma")]
    [InlineData("漢字漢字漢字", 5, "漢字/漢字/漢字")]
    [InlineData("ab 漢字漢字", 6, "ab 漢/字漢字")]
    [InlineData("👩‍👩‍👧👩‍👩‍👧 x", 4, "👩‍👩‍👧👩‍👩‍👧/x")]
    [InlineData("x   ", 2, "x")]
    [InlineData("```\nabcdefghij\n```", 8, "code/  abcdef/  ghij")]
    [InlineData("| aaaa bbbb | c |\n|---|---|\n| d | eeee ffff |", 14, "aaaa   │ c/bbbb   │ /───────┼──────/d      │ eeee/       │ ffff")]
    public void Wrapping(string text, int width, string expected) => Assert.Equal(expected, string.Join('/', Lines(text, width).Select(line => line)));

    [Fact]
    public void StylesAreThoseOfTheText()
    {
        var stream = new MarkdownStream { Width = 80 };
        stream.Append("a **b *c*** `d` ~~e~~ [f](http://g.h) ***i***");
        var spans = stream.Lines[0].Spans.Where(span => span.Text != " ").ToDictionary(span => span.Text.Trim(), span => span.Ink, StringComparer.Ordinal);
        Assert.Equal(Ink.Bold, spans["b"]);
        Assert.Equal(Ink.Bold | Ink.Italic, spans["c"]);
        Assert.Equal(Ink.Code, spans["d"]);
        Assert.Equal(Ink.Strike, spans["e"]);
        Assert.Equal(Ink.Link, spans["f"]);
        Assert.Equal(Ink.Dim, spans["(http://g.h)"]);
        Assert.Equal(Ink.Bold | Ink.Italic, spans["i"]);
        Assert.Equal("http://g.h", stream.Lines[0].Spans.Single(span => span.Text == "f").Url);
    }

    [Fact]
    public void WhatIsUnfinishedIsShownAsFarAsItGoes()
    {
        var stream = new MarkdownStream { Width = 40 };
        string Shown() => string.Join('/', stream.Lines.Select(line => line.ToString()));
        stream.Append("a **b");
        Assert.Equal("a **b", Shown());
        stream.Append("**\n```c");
        Assert.Equal("a b/c", Shown());
        stream.Append("s\nint");
        Assert.Equal("a b/cs/  int", Shown());
        stream.Append(" x;\n``"); // may be the end of the fence
        Assert.Equal("a b/cs/  int x;", Shown());
        stream.Append("`\n| a | b |\n|--");
        Assert.Equal("a b/cs/  int x;/| a | b |/|--", Shown());
        stream.Append("|--|\n| 1");
        Assert.Equal("a b/cs/  int x;//a │ b/──┼──/1 │ ", Shown());
        Assert.Equal("int x;", stream.CodeBlocks.Single().Text);
        Assert.Equal("cs", stream.CodeBlocks.Single().Language);
    }

    [Fact]
    public void PlainTextIsShownAsItIs() =>
        Assert.Equal(["# a", "", "  - *b*", "␛[0m"], Lines("# a\n\n  - *b*\n\u001b[0m", plain: true));

    private static readonly Gen<string> AnyDocument = Gen.OneOf(
        Gen.OneOf(
            "\n", "\n\n", " ", "  ", "    ", "\t", "- ", "* ", "1. ", "2) ", "> ", "# ", "## ", "```", "```cs\n", "~~~", "---\n", "***", "===\n", "| a | b |\n", "|--|:-:|\n",
            "| c | d\n", "**", "*", "_", "~~", "`", "[", "](x)", "![", "<br>", "&amp;", "http://x.y/z", "\\", "word ", "longerword ", "漢字", "👩‍👩‍👧", "\u0301", "\u001b[1m", "\r\n", "[x] "),
        SafeTextTests.AnyText).List[0, 40].Select(string.Concat);

    [Fact]
    public void PiecesMakeNoDifference() => Gen.Select(AnyDocument, Gen.Int[1, 7], Gen.Int[1, 50]).Sample((text, size, width) =>
    {
        var whole = new MarkdownStream { Width = width };
        whole.Append(text);
        whole.Complete();
        var pieces = new MarkdownStream { Width = width };
        for (var i = 0; i < text.Length; i += size)
        {
            pieces.Append(text.AsSpan(i, Math.Min(size, text.Length - i)));
            _ = pieces.Lines.Count; // looked at in between
        }
        pieces.Complete();
        Assert.Equal(Dump(whole), Dump(pieces));
        pieces.Width = width + 13;
        _ = pieces.Lines.Count;
        pieces.Width = width;
        Assert.Equal(Dump(whole), Dump(pieces));
    }, iter: 250);

    [Fact]
    public void NoLineIsWiderThanTheView() => Gen.Select(AnyDocument, Gen.Int[12, 60]).Sample((text, width) =>
    {
        var stream = new MarkdownStream { Width = width };
        stream.Append(text);
        foreach (var line in stream.Lines)
        {
            Assert.True(line.Columns <= width, $"'{line}' has {line.Columns} columns of {width}");
            foreach (var span in line.Spans)
            {
                Assert.Equal(Graphemes.Columns(span.Text), span.Columns);
                Assert.DoesNotContain(span.Text, char.IsControl);
            }
        }
    }, iter: 300);

    [Fact]
    public void EmphasisIsAsMarkdigHasIt()
    {
        var pipeline = Markdig.MarkdownExtensions.UseEmphasisExtras(
            new Markdig.MarkdownPipelineBuilder(), Markdig.Extensions.EmphasisExtras.EmphasisExtraOptions.Strikethrough).Build();
        Gen.OneOf("**", "_", "a", "b", " ", ".", "`", "``", "\\", "[", "](u)", "(", "é", "~~").List[1, 24].Select(string.Concat).Sample(text =>
        {
            // Where Markdig does otherwise than the references of CommonMark and GitHub: runs of which a part is used up or escaped, long runs of ~.
            if (System.Text.RegularExpressions.Regex.IsMatch(text, @"\*{3}|__|~{3}|\\[`*_~]")) return;
            text = $"x{text}x";
            Assert.Equal(MarkdigInlines.Flatten(Markdig.Markdown.Parse(text, pipeline)), Flatten(InlineParser.Parse(text, Ink.None)));
        }, iter: 800);
    }

    private static string Flatten(StyledText text)
    {
        var flat = new StringBuilder();
        for (var r = 0; r < text.Runs.Count; r++)
        {
            var (start, ink, _) = text.Runs[r];
            if (ink.HasFlag(Ink.Dim)) continue; // addresses that we add
            var end = r + 1 < text.Runs.Count ? text.Runs[r + 1].Start : text.Text.Length;
            foreach (var c in text.Text[start..end])
                flat.Append(c).Append((int)(ink & (Ink.Bold | Ink.Italic | Ink.Strike | Ink.Code | Ink.Link)));
        }
        return flat.ToString();
    }

    /// <summary>Inputs that are slow in parsers that look back too far. What is laid out again at a time is bounded, so all of it takes time in proportion; a quadratic parser takes minutes.</summary>
    [Theory]
    [InlineData("*", 1_000_000)]
    [InlineData("*a ", 60_000)]
    [InlineData("**a _b ", 50_000)]
    [InlineData("[", 200_000)]
    [InlineData("[a](", 50_000)]
    [InlineData("`a ``b ", 30_000)]
    [InlineData(">", 1_000_000)]
    [InlineData("> ", 500_000)]
    [InlineData("- ", 500_000)]
    [InlineData("<", 150_000)]
    [InlineData("&a", 100_000)]
    [InlineData("x", 500_000)]
    [InlineData("ᄀ", 100_000)]
    [InlineData("| a | b |\n", 60_000)]
    [InlineData("|-", 300_000)]
    [InlineData("a|b\n-|-\n", 60_000)]
    [InlineData("> - a\n", 80_000)]
    [InlineData("```\n", 50_000)]
    [InlineData("\n", 500_000)]
    [InlineData("http://(((((", 20_000)]
    public void HostileTextIsBounded(string piece, int count)
    {
        var text = string.Concat(Enumerable.Repeat(piece, count));
        var clock = Stopwatch.StartNew();
        var stream = new MarkdownStream { Width = 80 };
        for (var i = 0; i < text.Length; i += 5000)
        {
            stream.Append(text.AsSpan(i, Math.Min(5000, text.Length - i)));
            _ = stream.Lines.Count;
        }
        stream.Complete();
        Assert.True(stream.Lines.Count > 0 || piece == "\n");
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(15), $"{text.Length} characters took {clock.Elapsed}");
    }

    [Fact]
    public void ClosedBlocksAreNotLaidOutAgain()
    {
        var stream = new MarkdownStream { Width = 80 };
        stream.Append("# One\n\ntext\n\n```\ncode 1\ncode 2\n");
        var before = stream.Lines.ToArray();
        var steady = stream.SteadyLines;
        Assert.Equal(before.Length, steady); // complete lines of code stay too
        stream.Append("code 3\n```\n\nmore");
        Assert.All(Enumerable.Range(0, steady), i => Assert.Same(before[i], stream.Lines[i]));
    }
}
