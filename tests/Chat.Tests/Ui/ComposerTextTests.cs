using System.Text;
using CsCheck;
using WarpDecode.Chat.Ui;
using Xunit;

namespace WarpDecode.Chat.Tests.Ui;

/// <summary>Editing without a screen: characters as people count them, words, pieces, the way back, rows.</summary>
public class ComposerTextTests
{
    private static readonly string[] Pieces = ["a", " ", "\n", "é", "\u0301", "👩", "\u200D", "🇩", "日", "\t", "word "];

    [Fact]
    public void CharactersAreWholeAndJoin()
    {
        var t = new ComposerText();
        t.Insert("e");
        t.Insert("\u0301"); // an accent joins
        Assert.Single(t.Cells);
        t.Insert("👩");
        t.Insert("\u200D");
        t.Insert("👧");
        Assert.Equal(2, t.Cells.Count);
        Assert.True(t.Backspace());
        Assert.Equal("e\u0301", t.Expanded);
        Assert.True(t.Backspace());
        Assert.False(t.Backspace());
        t.Insert("🇩x🇪");
        Assert.Equal(3, t.Cells.Count);
        t.MoveTo(2);
        t.Backspace(); // two halves of a flag meet
        Assert.Equal("🇩🇪", Assert.Single(t.Cells).Text);
    }

    [Fact]
    public void WordsAndLines()
    {
        var t = With("one two.three\nfour five");
        Assert.Equal(19, t.PreviousWord());
        t.DeleteWordBack();
        Assert.Equal("one two.three\nfour ", t.Expanded);
        t.DeleteToLineStart();
        Assert.Equal("one two.three\n", t.Expanded);
        t.DeleteToLineStart();
        Assert.Equal("one two.three", t.Expanded);
        t.DeleteWordBack();
        Assert.Equal("one ", t.Expanded);
        t.MoveTo(0);
        Assert.Equal(3, t.NextWord());
        t.DeleteWordForward();
        Assert.Equal(" ", t.Expanded);
        t = With("ab\ncd");
        t.MoveTo(1);
        t.DeleteToLineEnd();
        t.DeleteToLineEnd();
        Assert.Equal("acd", t.Expanded);
    }

    [Fact]
    public void APieceIsOneStepAndIsWrittenOut()
    {
        var t = With("see  ok");
        t.MoveTo(4);
        t.InsertChip(new Chip("[pasted 3 lines]", "1\n2\n3"), 4, 4);
        Assert.Equal(8, t.Cells.Count);
        Assert.Equal("see 1\n2\n3 ok", t.Expanded);
        Assert.False(t.OpenChip(2));
        Assert.True(t.OpenChip(100));
        Assert.Equal(12, t.Cells.Count);
        t.Undo();
        Assert.Equal(8, t.Cells.Count);
        t.Backspace();
        Assert.Equal("see  ok", t.Expanded);
    }

    [Fact]
    public void WordsAreOneStepBack()
    {
        var t = new ComposerText();
        foreach (var c in "hello world") t.Insert(c.ToString());
        Assert.True(t.Undo());
        Assert.Equal("hello", t.Expanded);
        Assert.True(t.Undo());
        Assert.Equal("", t.Expanded);
        Assert.False(t.Undo());
        Assert.True(t.Redo());
        Assert.True(t.Redo());
        Assert.Equal("hello world", t.Expanded);
        Assert.False(t.Redo());
        t.Undo();
        t.Insert("!");
        Assert.False(t.Redo());
    }

    [Fact]
    public void WhatDrivesATerminalIsLeftOut()
    {
        Assert.Equal("a\nb\nc\td[31m\uFFFD", ComposerText.Clean("a\r\nb\rc\td\u001b[31m\u0007\u009B\uD800"));
        Assert.Equal("👩", ComposerText.Clean("👩"));
        Assert.Equal("·", ComposerLayout.Drawn(new TextCell("\u202E")));
        Assert.Equal("·", ComposerLayout.Drawn(new TextCell("\u2028")));
        Assert.DoesNotContain('\u202E', ComposerLayout.Drawn(new TextCell("a\u202E")));
        Assert.Equal("👩‍👧", ComposerLayout.Drawn(new TextCell("👩‍👧")));
    }

    [Fact]
    public void RowsBreakBehindSpaces()
    {
        var t = With("hello wide world\n日本語日本語\n");
        var rows = new ComposerLayout(t.Cells, 10).Rows.Select(r => t.Plain(r.Start, r.End));
        Assert.Equal(["hello ", "wide ", "world", "日本語日", "本語", ""], rows);
        var layout = new ComposerLayout(t.Cells, 10);
        Assert.Equal((1, 0), layout.Find(6));
        Assert.Equal((3, 4), layout.Find(19));
        Assert.Equal(18, layout.Place(3, 2));
        Assert.Equal((5, 0), layout.Find(t.Cells.Count));
        Assert.Equal(1, ComposerLayout.Columns(new TextCell("\u0301")));
        Assert.Equal(2, ComposerLayout.Columns(new TextCell("日")));
        Assert.Equal(4, ComposerLayout.Columns(new TextCell("\t")));
    }

    /// <summary>Random edits: cells are whole characters of the text, rows hold all of it, and the way back leads to the beginning.</summary>
    [Fact]
    public void RandomEdits() => Gen.Select(Gen.Int[0, 9], Gen.Int[0, Pieces.Length - 1].Select(i => Pieces[i]), Gen.Int[0, 60]).List[1, 60].Sample(steps =>
    {
        var t = new ComposerText();
        foreach (var (kind, piece, place) in steps)
        {
            switch (kind)
            {
                case 0: t.MoveTo(place); break;
                case 1: t.Backspace(); break;
                case 2: t.Delete(); break;
                case 3: t.DeleteWordBack(); break;
                case 4: t.InsertChip(new Chip("[c]", "chip"), t.Cursor, t.Cursor); break;
                case 5: t.MoveTo(t.PreviousWord()); t.DeleteToLineEnd(); break;
                default: t.Insert(piece); break;
            }
            Assert.InRange(t.Cursor, 0, t.Cells.Count);
            var layout = new ComposerLayout(t.Cells, 8);
            var all = new StringBuilder();
            foreach (var (start, end) in layout.Rows) all.Append(t.Plain(start, end));
            Assert.Equal(t.Plain(0, t.Cells.Count).Replace("\n", "", StringComparison.Ordinal), all.ToString());
            for (var i = 0; i <= t.Cells.Count; i++)
            {
                var (row, column) = layout.Find(i);
                Assert.InRange(column, 0, 8);
                Assert.Equal(i, layout.Place(row, column));
            }
        }
        var text = t.Expanded;
        var back = 0;
        while (t.Undo()) back++;
        Assert.True(t.IsEmpty);
        while (t.Redo()) back--;
        Assert.Equal((text, 0), (t.Expanded, back));
    }, iter: 300);

    [Fact]
    public void AMegabyteIsQuick()
    {
        var t = new ComposerText();
        var started = TimeProvider.System.GetTimestamp();
        t.Insert(string.Concat(Enumerable.Repeat("word ", 200_000)));
        for (var i = 0; i < 50; i++) t.Insert("x");
        _ = new ComposerLayout(t.Cells, 80);
        Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(20));
    }

    private static ComposerText With(string text)
    {
        var t = new ComposerText();
        t.Insert(text);
        return t;
    }
}
