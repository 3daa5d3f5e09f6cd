using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using WarpDecode.Chat.Ui.Text;

namespace WarpDecode.Bench;

/// <summary>A picture of a terminal's screen: what <c>tmux capture-pane -e -p</c> prints, as SVG.</summary>
internal static partial class ScreenPicture
{
    private const double CellWidth = 8.4, CellHeight = 18, Margin = 12;
    private const string Back = "#16181d", Fore = "#dedede";
    private static readonly string[] Sixteen =
        ["#16181d", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#dedede", "#7f848e", "#ff7a85", "#a9dc8b", "#f5d08a", "#7cc0ff", "#d98cf0", "#6fd3df", "#ffffff"];

    private readonly record struct Style(string Fore, string? Back, bool Bold, bool Faint, bool Italic, bool Underline, bool Reverse);

    public static Command Command()
    {
        var width = new Option<int>("--width") { Description = "Columns.", DefaultValueFactory = _ => 80 };
        var command = new Command("screen", "SVG of a screen: tmux capture-pane -e -p | Bench screen > docs/screen.svg") { width };
        command.SetAction(parsed =>
        {
            using var stdin = new StreamReader(Console.OpenStandardInput(), Encoding.UTF8);
            using var stdout = Console.OpenStandardOutput();
            stdout.Write(Encoding.UTF8.GetBytes(Svg(stdin.ReadToEnd().TrimEnd('\n').Split('\n'), parsed.GetValue(width))));
        });
        return command;
    }

    private static string Svg(string[] lines, int width)
    {
        var svg = new StringBuilder();
        var (w, h) = ((width * CellWidth) + (2 * Margin), (lines.Length * CellHeight) + (2 * Margin));
        svg.Append(CultureInfo.InvariantCulture, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w:0.#} {h:0.#}\" font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\" font-size=\"14\">\n");
        svg.Append(CultureInfo.InvariantCulture, $"<rect width=\"{w:0.#}\" height=\"{h:0.#}\" rx=\"8\" fill=\"{Back}\"/>\n");
        var style = new Style(Fore, null, false, false, false, false, false);
        for (var y = 0; y < lines.Length; y++)
        {
            var (line, column) = (lines[y], 0);
            var at = 0;
            foreach (Match escape in Escape().Matches(line))
            {
                column = Text(svg, line[at..escape.Index], style, column, y);
                at = escape.Index + escape.Length;
                if (escape.Groups["sgr"].Success) style = Apply(style, escape.Groups["sgr"].Value);
            }
            Text(svg, line[at..], style, column, y);
        }
        return svg.Append("</svg>\n").ToString();
    }

    private static int Text(StringBuilder svg, string text, Style s, int column, int row)
    {
        if (text.Length == 0) return column;
        var columns = Graphemes.Columns(text);
        var (fore, back) = s.Reverse ? (s.Back ?? Back, s.Fore) : (s.Fore, s.Back);
        var (x, y) = (Margin + (column * CellWidth), Margin + (row * CellHeight));
        if (back is not null)
            svg.Append(CultureInfo.InvariantCulture, $"<rect x=\"{x:0.#}\" y=\"{y:0.#}\" width=\"{columns * CellWidth:0.#}\" height=\"{CellHeight:0.#}\" fill=\"{back}\"/>\n");
        var start = text.Length - text.TrimStart(' ').Length;
        var shown = text.Trim(' ');
        if (shown.Length == 0) return column + columns;
        svg.Append(CultureInfo.InvariantCulture, $"<text x=\"{x + (start * CellWidth):0.#}\" y=\"{y + 13.5:0.#}\" fill=\"{fore}\" textLength=\"{Graphemes.Columns(shown) * CellWidth:0.#}\"");
        if (s.Bold) svg.Append(" font-weight=\"bold\"");
        if (s.Faint) svg.Append(" opacity=\"0.6\"");
        if (s.Italic) svg.Append(" font-style=\"italic\"");
        if (s.Underline) svg.Append(" text-decoration=\"underline\"");
        svg.Append(" xml:space=\"preserve\">").Append(System.Security.SecurityElement.Escape(shown)).Append("</text>\n");
        return column + columns;
    }

    private static Style Apply(Style s, string codes)
    {
        var numbers = codes.Split(';', ':').Select(c => int.TryParse(c, NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : 0).ToArray();
        for (var i = 0; i < numbers.Length; i++)
        {
            s = numbers[i] switch
            {
                0 => new Style(Fore, null, false, false, false, false, false),
                1 => s with { Bold = true },
                2 => s with { Faint = true },
                3 => s with { Italic = true },
                4 => s with { Underline = true },
                7 => s with { Reverse = true },
                22 => s with { Bold = false, Faint = false },
                23 => s with { Italic = false },
                24 => s with { Underline = false },
                27 => s with { Reverse = false },
                38 => s with { Fore = Color(numbers, ref i) },
                48 => s with { Back = Color(numbers, ref i) },
                39 => s with { Fore = Fore },
                49 => s with { Back = null },
                >= 30 and <= 37 and var n => s with { Fore = Sixteen[n - 30] },
                >= 90 and <= 97 and var n => s with { Fore = Sixteen[n - 82] },
                >= 40 and <= 47 and var n => s with { Back = Sixteen[n - 40] },
                >= 100 and <= 107 and var n => s with { Back = Sixteen[n - 92] },
                _ => s,
            };
        }
        return s;
    }

    private static string Color(int[] numbers, ref int i)
    {
        if (i + 4 < numbers.Length && numbers[i + 1] == 2)
        {
            i += 4;
            return $"#{numbers[i - 2]:x2}{numbers[i - 1]:x2}{numbers[i]:x2}";
        }
        if (i + 2 < numbers.Length && numbers[i + 1] == 5)
        {
            i += 2;
            var n = numbers[i];
            if (n < 16) return Sixteen[n];
            if (n >= 232) return $"#{8 + ((n - 232) * 10):x2}{8 + ((n - 232) * 10):x2}{8 + ((n - 232) * 10):x2}";
            n -= 16;
            return $"#{Level(n / 36):x2}{Level(n / 6 % 6):x2}{Level(n % 6):x2}";
        }
        return Fore;

        static int Level(int step) => step == 0 ? 0 : 55 + (step * 40);
    }

    // Colours and their like, and links, which are left out.
    [GeneratedRegex("\u001b\\[(?<sgr>[0-9;:]*)m|\u001b\\][^\u001b\a]*(?:\u001b\\\\|\a)|\u001b\\([A-Z0-9]|[\u000e\u000f]", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Escape();
}
