using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace WarpDecode.GpuCheck;

/// <summary>Collects what was found, prints it as it comes, and writes it to files even if a later section fails.</summary>
internal sealed class Report(string folder, double seconds)
{
    private readonly Stopwatch watch = Stopwatch.StartNew();
    private readonly StringBuilder text = new();
    private readonly Dictionary<string, object> values = new(StringComparer.Ordinal);
    private int passed;
    private int failed;

    /// <summary>Whether no new measurement should be begun.</summary>
    public bool OutOfTime => watch.Elapsed.TotalSeconds > seconds;

    public static string Text(FormattableString s) => s.ToString(CultureInfo.InvariantCulture);

    public void Section(string name, Action run)
    {
        if (OutOfTime)
        {
            Check($"{name}: begun", false, $"not begun, {seconds} s are over");
            return;
        }
        Line($"\n## {name}\n");
        var begun = watch.Elapsed;
        try
        {
            run();
        }
        catch (Exception e)
        {
            // One section's failure must not cost the others: device time is dear.
            Check($"{name}: completed", false, $"{e.GetType().Name}: {e.Message}\n{e.StackTrace}");
        }
        Line(Text($"\n({name}: {(watch.Elapsed - begun).TotalSeconds:F1} s)"));
        Save();
    }

    public void Line(string line)
    {
        Console.WriteLine(line);
        text.AppendLine(line);
    }

    public void Table(params string[] cells) => Line("| " + string.Join(" | ", cells) + " |");

    public void Header(params string[] cells)
    {
        Table(cells);
        Table([.. cells.Select(_ => "---")]);
    }

    public void Value(string name, object value) => values[name] = value;

    public void Check(string what, bool good, string found)
    {
        _ = good ? passed++ : failed++;
        Line($"{(good ? "PASS" : "FAIL")} {what}: {found}");
        values["check: " + what] = good;
    }

    public int Finish()
    {
        Line(Text($"\n{passed} passed, {failed} failed, {watch.Elapsed.TotalSeconds:F0} s"));
        Save();
        return failed == 0 ? 0 : 1;
    }

    private void Save()
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "gpu-check.md"), text.ToString());
        File.WriteAllText(Path.Combine(folder, "gpu-check.json"), JsonSerializer.Serialize(values, Indented));
    }

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals };
}
