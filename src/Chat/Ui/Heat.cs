using Terminal.Gui.Drawing;
using WarpDecode.Chat.Ui.Markdown;
using Attribute = Terminal.Gui.Drawing.Attribute;

namespace WarpDecode.Chat.Ui;

/// <summary>
/// How much as colour: with all colours a cell shows two values, in its left and right half. Where there are 16 or none, shades do, a value a cell.
/// </summary>
internal sealed class Heat(Theme theme)
{
    private static readonly (int R, int G, int B)[] Dark = [(22, 25, 34), (38, 66, 130), (50, 150, 180), (150, 205, 120), (250, 225, 110)];
    private static readonly (int R, int G, int B)[] Light = [(246, 247, 250), (190, 214, 240), (110, 165, 220), (40, 100, 180), (20, 30, 100)];
    private static readonly string[] Shades = [" ", "·", "░", "▒", "▓", "█"];
    private readonly bool isLight = theme == Theme.Light;

    /// <summary>Values in a cell.</summary>
    public int PerCell => theme.HasColors && !theme.Has16 ? 2 : 1;

    /// <summary>A cell of values between 0 and 1, of which some are marked.</summary>
    /// <param name="left">The first value.</param>
    /// <param name="isLeft">Whether it is marked.</param>
    /// <param name="right">The second, where a cell has two.</param>
    /// <param name="isRight">Whether that is marked.</param>
    public (string Text, Attribute Attribute) Cell(double left, bool isLeft, double right, bool isRight)
    {
        if (PerCell == 1) return isLeft ? ("◆", theme.Mark) : (Shades[Math.Clamp((int)(left * Shades.Length), 0, Shades.Length - 1)], theme[Ink.Assistant]);
        var (first, second) = (Of(left, isLeft), Of(right, isRight));
        return first == second ? (" ", new(first, first)) : ("▌", new(first, second));
    }

    /// <summary>How often an expert is chosen relative to all, as a value between 0 and 1: never is 0, as often as all a half.</summary>
    public static double Value(double load) => load / (load + 1);

    private Color Of(double value, bool isMarked)
    {
        if (isMarked) return isLight ? new(215, 20, 50) : new(255, 92, 64);
        var ramp = isLight ? Light : Dark;
        var at = Math.Clamp(value, 0, 1) * (ramp.Length - 1);
        var low = Math.Min((int)at, ramp.Length - 2);
        var (a, b, t) = (ramp[low], ramp[low + 1], at - low);
        return new((int)Math.Round(a.R + ((b.R - a.R) * t)), (int)Math.Round(a.G + ((b.G - a.G) * t)), (int)Math.Round(a.B + ((b.B - a.B) * t)));
    }
}
