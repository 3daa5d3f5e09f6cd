using System.Globalization;
using System.Text;

namespace WarpDecode.Runtime.Benchmarking;

/// <summary>A benchmark's result as a table for people.</summary>
internal static class BenchmarkTable
{
    private const string Explanation =
        "Medians (min..max) over the repeats. Tokens/s are over all sequences of a step. MB: weights and cache that a step of decoding, or the whole prompt, "
        + "must read at least once, only the experts that it chose; GB/s: these over the time; share: of the read bandwidth measured in the same run; "
        + "bound: milliseconds that reading alone would take. A depth is not computed but stands in the cache.";

    /// <summary>With aligned columns, for a terminal.</summary>
    public static string ToText(BenchmarkReport report)
    {
        var cells = Cells(report);
        var widths = Enumerable.Range(0, cells[0].Length).Select(c => cells.Max(row => row[c].Length)).ToArray();
        var text = new StringBuilder();
        foreach (var line in Head(report)) text.Append(line).Append('\n');
        text.Append('\n');
        foreach (var row in cells) text.Append(string.Join("  ", row.Select((cell, c) => cell.PadRight(widths[c]))).TrimEnd()).Append('\n');
        text.Append('\n').Append(Explanation).Append('\n');
        return text.ToString();
    }

    /// <summary>As Markdown.</summary>
    public static string ToMarkdown(BenchmarkReport report)
    {
        var cells = Cells(report);
        var text = new StringBuilder();
        foreach (var line in Head(report)) text.Append(line).Append("  \n"); // two spaces break the line
        text.Append('\n');
        for (var i = 0; i < cells.Count; i++)
        {
            text.Append("| ").AppendJoin(" | ", cells[i]).Append(" |\n");
            if (i == 0) text.Append('|').Insert(text.Length, "---|", cells[i].Length).Append('\n');
        }
        foreach (var note in report.Notes) text.Append('\n').Append("Note: ").Append(note).Append('\n');
        text.Append('\n').Append(Explanation).Append('\n');
        return text.ToString();
    }

    private static IEnumerable<string> Head(BenchmarkReport report)
    {
        yield return string.Create(
            CultureInfo.InvariantCulture,
            $"{report.Model}: {report.Parameters / 1e6:F0} M parameters, {report.WeightBytes / 1e6:F0} MB, {report.ActiveBytes / 1e6:F1} MB of them for one token; {report.Repeats} repeats");
        yield return $"{report.Machine}; wd-run {report.Version}";
        foreach (var device in report.Rows.GroupBy(r => (r.Backend, r.Device, r.KvType)))
        {
            var read = new Rates([.. device.Select(r => r.ReadBandwidth).DistinctBy(r => string.Join(' ', r.Values)).SelectMany(r => r.Values)]);
            yield return $"{device.Key.Backend}: {device.Key.Device}; {device.Key.KvType} cache; read bandwidth {read} GB/s";
        }
    }

    private static List<string[]> Cells(BenchmarkReport report)
    {
        var compared = report.Rows.Any(r => r.Other is not null);
        string[] header = ["backend", "moe", "test", "depth", "batch", "tokens/s", "ms", "experts", "MB", "GB/s", "share", "bound ms"];
        return [compared ? [.. header, "llama.cpp tokens/s", "ratio"] : header, .. report.Rows.Select(Row)];

        string[] Row(BenchmarkRow row)
        {
            string[] cells =
            [
                row.Backend, row.Moe, $"{row.Test} {row.Tokens}", $"{row.Depth}", $"{row.Batch}", row.TokensPerSecond.ToString(), Rates.Digits(row.Milliseconds),
                Rates.Digits(row.DistinctExperts), Rates.Digits(row.Bytes / 1e6), Rates.Digits(row.Effective.Median),
                string.Create(CultureInfo.InvariantCulture, $"{100 * row.Share:F0} %"), Rates.Digits(row.BoundMilliseconds),
            ];
            return !compared ? cells : [.. cells, row.Other?.ToString() ?? "–", row.Ratio is { } ratio ? string.Create(CultureInfo.InvariantCulture, $"{ratio:F2}") : "–"];
        }
    }
}
