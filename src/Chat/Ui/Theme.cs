using Terminal.Gui.Drawing;
using WarpDecode.Chat.Ui.Markdown;
using Attribute = Terminal.Gui.Drawing.Attribute;

namespace WarpDecode.Chat.Ui;

/// <summary>
/// How things look: colours for a dark and a light terminal, the 16 colours that every terminal has, or none, when bold, underline and their like
/// must do. The background is the terminal's own except under code.
/// </summary>
internal sealed class Theme
{
    private readonly Dictionary<Ink, Attribute> made = [];
    private readonly Palette palette;

    private Theme(string name, Palette palette, bool hasColors, bool has16)
    {
        (Name, this.palette, HasColors, Has16) = (name, palette, hasColors, has16);
        var normal = new Attribute(palette.Text, Color.None);
        Scheme = new(normal)
        {
            HotNormal = new(palette.Heading, Color.None),
            Focus = hasColors ? new(palette.Text, palette.Selection) : new(Color.None, Color.None, TextStyle.Reverse),
            HotFocus = hasColors ? new(palette.Heading, palette.Selection) : new(Color.None, Color.None, TextStyle.Reverse | TextStyle.Bold),
            Editable = normal,
            ReadOnly = normal,
            Disabled = new(palette.Dim, Color.None, hasColors ? TextStyle.None : TextStyle.Faint),
        };
    }

    private sealed record Palette(Color Text, Color Dim, Color Heading, Color Code, Color CodeBack, Color Link, Color Frame, Color User, Color Assistant, Color Notice, Color Selection);

    /// <summary>For a dark terminal with all colours.</summary>
    public static Theme Dark { get; } = new("dark", new(
        Text: new(222, 222, 222), Dim: new(138, 138, 138), Heading: new(130, 190, 255), Code: new(235, 190, 130), CodeBack: new(38, 42, 50), Link: new(120, 180, 240),
        Frame: new(110, 118, 130), User: new(140, 220, 150), Assistant: new(130, 190, 255), Notice: new(240, 200, 100), Selection: new(52, 70, 96)), hasColors: true, has16: false);

    /// <summary>For a light terminal with all colours.</summary>
    public static Theme Light { get; } = new("light", new(
        Text: new(32, 34, 38), Dim: new(112, 112, 112), Heading: new(0, 82, 160), Code: new(150, 70, 0), CodeBack: new(238, 240, 244), Link: new(0, 95, 190),
        Frame: new(140, 146, 155), User: new(20, 115, 45), Assistant: new(0, 82, 160), Notice: new(150, 95, 0), Selection: new(205, 222, 245)), hasColors: true, has16: false);

    /// <summary>The colours that every terminal has.</summary>
    public static Theme Sixteen { get; } = new("16", new(
        Text: Color.None, Dim: new(ColorName16.DarkGray), Heading: new(ColorName16.BrightCyan), Code: new(ColorName16.Yellow), CodeBack: Color.None, Link: new(ColorName16.BrightBlue),
        Frame: new(ColorName16.DarkGray), User: new(ColorName16.BrightGreen), Assistant: new(ColorName16.BrightCyan), Notice: new(ColorName16.BrightYellow),
        Selection: new(ColorName16.Blue)), hasColors: true, has16: true);

    /// <summary>No colours, only bold, underline and their like.</summary>
    public static Theme None { get; } = new("none", new(
        Color.None, Color.None, Color.None, Color.None, Color.None, Color.None, Color.None, Color.None, Color.None, Color.None, Color.None), hasColors: false, has16: false);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Theme> All { get; } = [Dark, Light, Sixteen, None];

    /// <summary>What a person calls it.</summary>
    public string Name { get; }

    /// <summary>Whether it has colours at all.</summary>
    public bool HasColors { get; }

    /// <summary>Whether the driver must keep to 16 colours.</summary>
    public bool Has16 { get; }

    /// <summary>For the views of the library.</summary>
    public Scheme Scheme { get; }

    /// <summary>
    /// The theme that fits: the one asked for; none at all where <c>NO_COLOR</c> is set; 16 colours where the terminal does not say that it has more;
    /// else by the background that <c>COLORFGBG</c> tells, dark where nobody says.
    /// </summary>
    /// <param name="name">The name asked for, if any.</param>
    /// <param name="variable">Reads a variable of the environment.</param>
    /// <exception cref="UsageException">There is no theme of that name.</exception>
    public static Theme Choose(string? name, Func<string, string?> variable)
    {
        if (name is not null)
            return All.FirstOrDefault(theme => string.Equals(theme.Name, name, StringComparison.OrdinalIgnoreCase))
                ?? throw new UsageException($"There is no theme '{name}'.", $"Themes: {string.Join(", ", All.Select(theme => theme.Name))}.");
        if (!string.IsNullOrEmpty(variable("NO_COLOR"))) return None;
        var hasAll = variable("COLORTERM") is "truecolor" or "24bit";
        if (!hasAll) return Sixteen;
        var background = variable("COLORFGBG")?.Split(';')[^1];
        return background is "7" or "15" ? Light : Dark;
    }

    /// <summary>How text of a kind looks.</summary>
    public Attribute this[Ink ink]
    {
        get
        {
            if (made.TryGetValue(ink, out var attribute)) return attribute;
            return made[ink] = Make(ink);
        }
    }

    /// <summary>How something selected is marked.</summary>
    public Attribute Mark => new(palette.Notice, Color.None, TextStyle.Bold);

    private Attribute Make(Ink ink)
    {
        bool Has(Ink flag) => (ink & flag) != Ink.None;
        var foreground =
            Has(Ink.User) ? palette.User
            : Has(Ink.Assistant) ? palette.Assistant
            : Has(Ink.Notice) ? palette.Notice
            : Has(Ink.Frame) ? palette.Frame
            : Has(Ink.Dim) ? palette.Dim
            : Has(Ink.Code) ? palette.Code
            : Has(Ink.Link) ? palette.Link
            : Has(Ink.Heading) ? palette.Heading
            : palette.Text;
        var style = TextStyle.None;
        if (Has(Ink.Bold | Ink.Heading | Ink.User | Ink.Assistant)) style |= TextStyle.Bold;
        if (Has(Ink.Italic)) style |= TextStyle.Italic;
        if (Has(Ink.Strike)) style |= TextStyle.Strikethrough;
        if (Has(Ink.Link | Ink.Title)) style |= TextStyle.Underline;
        if (!HasColors)
        {
            if (Has(Ink.Dim | Ink.Frame)) style |= TextStyle.Faint;
            if (Has(Ink.Code)) style |= TextStyle.Bold;
        }
        return new(foreground, Has(Ink.CodeBlock) && !Has(Ink.Dim) ? palette.CodeBack : Color.None, style);
    }
}
