using System.Text;

namespace WarpDecode.Chat.Ui;

/// <summary>
/// What is seen until the library of the screen is up, which takes longer than people wait without a sign: the same picture as that of the window
/// while it loads. Nothing of the library is touched here.
/// </summary>
internal static class FirstFrame
{
    private const string Begin = "\u001b[?1049h\u001b[?25l\u001b[2J"; // the other screen, no cursor, empty
    private const string End = "\u001b[?25h\u001b[?1049l";

    /// <summary>Goes to the terminal's other screen and draws.</summary>
    /// <param name="model">Name of the model.</param>
    public static void Show(string model) => Write(Begin + Picture(model, Math.Max(20, Console.WindowWidth), Math.Max(8, Console.WindowHeight)));

    /// <summary>Draws again what the library cleared as it came up.</summary>
    /// <param name="model">Name of the model.</param>
    public static void Again(string model) => Write(Picture(model, Math.Max(20, Console.WindowWidth), Math.Max(8, Console.WindowHeight)));

    /// <summary>Back to the first screen. Where the library did it already nothing changes.</summary>
    public static void Hide() => Write(End);

    // The places of ChatWindow and LoadScreen.
    private static string Picture(string model, int width, int height)
    {
        var name = string.Concat(model.Where(c => c >= ' ' && c is not (>= '\u007F' and < '\u00A0'))); // a file's name must not steer the terminal
        if (name.Length > width - 11) name = name[..(width - 11)];
        var text = new StringBuilder();
        At(height - 7, "  Loading " + name);
        At(height - 2, new string('─', width));
        At(height - 1, "> ");
        text.Append(System.Globalization.CultureInfo.InvariantCulture, $"\u001b[{height - 1};3H\u001b[?25h");
        return text.ToString();

        void At(int row, string line) => text.Append(System.Globalization.CultureInfo.InvariantCulture, $"\u001b[{row};1H").Append(line);
    }

    private static void Write(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        StandardOutput.Stream.Write(bytes);
        StandardOutput.Stream.Flush();
    }
}
