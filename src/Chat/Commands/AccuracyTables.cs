using System.Globalization;
using System.Text;
using System.Text.Json;
using WarpDecode.Runtime.Evaluation;

namespace WarpDecode.Chat.Commands;

/// <summary>A report of accuracy as tables for people and as JSON for programs.</summary>
internal static class AccuracyTables
{
    /// <summary>Three tables: the paths, and for each layer their relative errors, isolated and accumulated.</summary>
    public static string Text(AccuracyReport report, bool markdown)
    {
        var warp = report.Paths[0];
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Path.GetFileName(report.Model)}: experts {report.ExpertTypes}, {report.Layers} layers, {report.Tokens} tokens in {report.Windows} sequences\n\n");
        text.Append("Experts of each layer fed with the reference's input, against FP64 (isolated); logits of whole runs against the reference backend\n\n");
        Table(
            text, markdown,
            ["path", "rel. L2, mean of layers", "worst layer", "max |Δ|", "1 − cosine, worst", $"error / {warp.Key}", "KL mean", "KL max", "max |Δlogit|", "top-1"],
            report.Paths.Select(p => new[]
            {
                p.Name, Number(p.MeanIsolated), Number(p.Isolated.Max(d => d.RelativeL2)), Number(p.Isolated.Max(d => d.MaxAbsolute)), Number(p.Isolated.Max(d => d.OneMinusCosine)),
                p == warp ? "1" : Ratio(p.ErrorOver(warp)), Number(p.Logits.MeanKl), Number(p.Logits.MaxKl), Number(p.Logits.MaxAbsolute),
                (100 * p.Logits.Top1Agreement).ToString("F1", CultureInfo.InvariantCulture) + " %",
            }));
        foreach (var path in report.Paths.Where(p => p.Excluded > 0))
            text.Append(CultureInfo.InvariantCulture, $"\n{path.Name}: {path.Excluded} tokens of a layer chose other experts than the reference and are left out of the isolated figures\n");
        text.Append("\nRelative L2 error of each layer's experts, isolated\n\n");
        Layers(text, markdown, report, p => p.Isolated);
        text.Append("\nRelative L2 error of each layer's output, accumulated over the whole run (the reference stores FP32: below some 10⁻⁷ nothing is meant)\n\n");
        Layers(text, markdown, report, p => p.Accumulated);
        return text.ToString();
    }

    /// <summary>Every figure.</summary>
    public static void WriteJson(AccuracyReport report, Stream to)
    {
        using (var w = new Utf8JsonWriter(to, new JsonWriterOptions { Indented = true }))
        {
            w.WriteStartObject();
            w.WriteString("model", report.Model);
            w.WriteString("expert_types", report.ExpertTypes);
            w.WriteNumber("tokens", report.Tokens);
            w.WriteNumber("sequences", report.Windows);
            w.WriteStartArray("notes");
            foreach (var note in report.Notes) w.WriteStringValue(note);
            w.WriteEndArray();
            w.WriteStartArray("paths");
            foreach (var path in report.Paths)
            {
                w.WriteStartObject();
                w.WriteString("path", path.Key);
                w.WriteString("name", path.Name);
                Number(w, "isolated_mean", path.MeanIsolated);
                Number(w, "isolated_error_over_warp", path.ErrorOver(report.Paths[0]));
                w.WriteNumber("excluded", path.Excluded);
                Layers(w, "isolated", path.Isolated);
                Layers(w, "accumulated", path.Accumulated);
                w.WriteStartObject("logits");
                Number(w, "relative_l2", path.Logits.RelativeL2);
                Number(w, "max_absolute", path.Logits.MaxAbsolute);
                Number(w, "kl_mean", path.Logits.MeanKl);
                Number(w, "kl_max", path.Logits.MaxKl);
                Number(w, "top1_agreement", path.Logits.Top1Agreement);
                w.WriteEndObject();
                w.WriteEndObject();
            }
            w.WriteEndArray();
            w.WriteEndObject();
        }
        to.WriteByte((byte)'\n');
    }

    private static void Layers(StringBuilder text, bool markdown, AccuracyReport report, Func<PathAccuracy, IReadOnlyList<Deviation>> reading) =>
        Table(
            text, markdown, ["layer", .. report.Paths.Select(p => p.Key)],
            Enumerable.Range(0, report.Layers).Select(layer => (string[])[layer.ToString(CultureInfo.InvariantCulture), .. report.Paths.Select(p => Number(reading(p)[layer].RelativeL2))]));

    private static void Layers(Utf8JsonWriter w, string name, IReadOnlyList<Deviation> layers)
    {
        w.WriteStartArray(name);
        foreach (var layer in layers)
        {
            w.WriteStartObject();
            Number(w, "relative_l2", layer.RelativeL2);
            Number(w, "one_minus_cosine", layer.OneMinusCosine);
            Number(w, "max_absolute", layer.MaxAbsolute);
            w.WriteEndObject();
        }
        w.WriteEndArray();
    }

    private static void Table(StringBuilder text, bool markdown, string[] head, IEnumerable<string[]> rows)
    {
        string[][] all = [head, .. rows];
        if (markdown)
        {
            foreach (var (index, row) in all.Index())
            {
                text.Append("| ").AppendJoin(" | ", row.Select(cell => cell.Replace("|", "\\|", StringComparison.Ordinal))).Append(" |\n");
                if (index == 0) text.Append('|').Insert(text.Length, "---|", row.Length).Append('\n');
            }
            return;
        }
        var widths = Enumerable.Range(0, head.Length).Select(c => all.Max(row => row[c].Length)).ToArray();
        foreach (var row in all)
        {
            text.Append(row[0].PadRight(widths[0]));
            for (var c = 1; c < row.Length; c++) text.Append("  ").Append(row[c].PadLeft(widths[c]));
            text.Append('\n');
        }
    }

    private static string Number(double value) => value == 0 ? "0" : value.ToString("0.00E+0", CultureInfo.InvariantCulture);

    private static string Ratio(double value) => value.ToString(value < 10 ? "F2" : "N0", CultureInfo.InvariantCulture);

    // JSON has no word for what is not a number.
    private static void Number(Utf8JsonWriter w, string name, double value)
    {
        if (double.IsFinite(value)) w.WriteNumber(name, value);
        else w.WriteNull(name);
    }
}
