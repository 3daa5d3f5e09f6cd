using Terminal.Gui.ViewBase;
using WarpDecode.Chat.Ui.Text;
using Attribute = Terminal.Gui.Drawing.Attribute;

namespace WarpDecode.Chat.Ui;

/// <summary>
/// Draws a row of a view cell by cell, and only the cells that differ from those on the screen: looking is some twenty times cheaper than drawing, and
/// what is not drawn is not sent to the terminal.
/// </summary>
internal sealed class RowPainter
{
    private readonly List<Cell> cells = [];
    private View view = null!;
    private int y, width;

    // A text that is null is the second half of a wide one.
    private readonly record struct Cell(string? Text, Attribute Attribute, string? Url);

    private static readonly string[] Ascii = [.. Enumerable.Range(0, 128).Select(c => ((char)c).ToString())];

    /// <summary>Begins a row.</summary>
    public void Begin(View owner, int row, int columns)
    {
        (view, y, width) = (owner, row, columns);
        cells.Clear();
    }

    /// <summary>Adds text. What does not fit is left out.</summary>
    public void Add(string text, Attribute attribute, int columns, string? url)
    {
        if (columns == text.Length && text.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0)
        {
            foreach (var c in text) cells.Add(new(Ascii[c], attribute, url));
            return;
        }
        for (var i = 0; i < text.Length;)
        {
            var length = Graphemes.Next(text.AsSpan(i));
            var cluster = text.Substring(i, length);
            var wide = Graphemes.Width(cluster);
            i += length;
            if (wide == 0) continue;
            cells.Add(new(cluster, attribute, url));
            if (wide == 2) cells.Add(new(null, attribute, url));
        }
    }

    /// <summary>Fills the rest of the row.</summary>
    public void Fill(Attribute attribute)
    {
        while (cells.Count < width) cells.Add(new(" ", attribute, null));
        if (cells.Count > width) cells.RemoveRange(width, cells.Count - width);
        if (width > 0 && cells[^1].Text is { } last && Graphemes.Width(last) == 2) cells[^1] = new(" ", attribute, null); // half of it would be off
    }

    /// <summary>Puts text over what is there.</summary>
    public void Overlay(string text, int at, Attribute attribute)
    {
        var rest = at;
        if (at > 0 && at < cells.Count && cells[at].Text is null) cells[at - 1] = new(" ", attribute, null);
        for (var i = 0; i < text.Length && rest < cells.Count; rest++)
        {
            var length = Graphemes.Next(text.AsSpan(i));
            cells[rest] = new(text.Substring(i, length), attribute, null);
            i += length;
        }
        if (rest < cells.Count && cells[rest].Text is null) cells[rest] = new(" ", attribute, null);
    }

    /// <summary>
    /// Draws what differs. Plain cells are set in the screen's own buffer, as the driver would set them: through its door each costs the measuring of
    /// three texts. What is wide, linked or perhaps covered by another view takes the door.
    /// </summary>
    public void Draw()
    {
        if (view.App?.Driver is not { Contents: { } screen } driver || cells.Count == 0) return;
        var corner = view.ViewportToScreen(new System.Drawing.Point(0, y));
        if (corner.Y < 0 || corner.Y >= screen.GetLength(0)) return;
        var buffer = driver.GetOutputBuffer();
        var isFree = driver.Clip is { } clip && clip.Contains(new System.Drawing.Rectangle(corner.X, corner.Y, cells.Count, 1));
        for (var x = 0; x < cells.Count; x++)
        {
            var (text, attribute, url) = cells[x];
            var column = corner.X + x;
            if (text is null || column < 0 || column >= screen.GetLength(1)) continue;
            ref var there = ref screen[corner.Y, column];
            if (there.Grapheme == text && there.Attribute == attribute) continue;
            if (isFree && text.Length == 1 && text[0] < 0x7F && url is null && buffer.GetCellUrl(column, corner.Y) is null)
            {
                if (there.Grapheme is not { Length: 1 } before || before[0] >= 0x7F)
                    if (x + 1 < cells.Count) screen[corner.Y, column + 1].IsDirty = true; // it may have been under a wide one
                there.Grapheme = text;
                there.Attribute = attribute;
                there.IsDirty = true;
                buffer.DirtyLines[corner.Y] = true;
                continue;
            }
            driver.SetAttribute(attribute);
            driver.CurrentUrl = IsSafe(url) ? url : null;
            driver.Move(column, corner.Y);
            driver.AddStr(text);
            driver.CurrentUrl = null;
        }
    }

    /// <summary>Only addresses of the web become links of the terminal, and only such as cannot end the sequence that they are in.</summary>
    private static bool IsSafe(string? url) =>
        url is not null && (url.StartsWith("https://", StringComparison.Ordinal) || url.StartsWith("http://", StringComparison.Ordinal))
        && url.AsSpan().IndexOfAnyExceptInRange('!', '~') < 0;
}
