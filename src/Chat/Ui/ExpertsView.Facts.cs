using System.Globalization;
using WarpDecode.Chat.Ui.Markdown;
using WarpDecode.Runtime.Monitoring;

namespace WarpDecode.Chat.Ui;

// What is said around the heat map.
internal sealed partial class ExpertsView
{
    private const int NameColumns = 12, NumberColumns = 42;

    private void DrawTitle(int width)
    {
        var what = Format($"Experts: {source.Layers} layers × {source.Experts}, {source.TopK} a token");
        var tokens = !hasRoutes || load.Tokens == 0 ? "no token yet: ask something" : window == LoadWindow.All
            ? Format($"all {Count(load.Tokens)}")
            : Format($"{Count(load.Tokens)}, the last {load.HalfLife:F0} count most");
        Put($"{what} · {tokens}", Ink.Heading, width);
    }

    private void DrawScale(int width)
    {
        var (columns, hasFacts) = MapColumns(width);
        var (each, _, used) = Bins(columns);
        row.Add("    ", theme[Ink.Dim], LabelColumns, null);
        var end = Format($"{source.Experts - 1}");
        var legend = heat.PerCell == 2 ? "red: the last token's" : "◆: the last token's";
        var middle = each > 1 ? Format($"{each} experts a place; {legend}") : legend;
        if (used < end.Length + middle.Length + 5) middle = "";
        var gap = Math.Max(1, used - 1 - end.Length - middle.Length);
        var text = middle.Length == 0
            ? $"0{new string(' ', gap)}{end}"
            : $"0{new string(' ', gap / 2)}{middle}{new string(' ', gap - (gap / 2))}{end}";
        Put(text.PadRight(columns), Ink.Dim, columns);
        if (hasFacts) Put(Format($" ≤{load.MostEntropy:F2} bits"), Ink.Dim, FactColumns);
    }

    private void DrawStep(int width)
    {
        if (profile is null)
        {
            Put("step: not measured yet", Ink.Bold, width);
            return;
        }
        var tokens = profile.Tokens == 1 ? "" : Format($" of {profile.Tokens} tokens");
        var text = Format($"step{tokens} {profile.Seconds * 1000:F2} ms");
        if (profile.Bytes > 0) text += Format($" · {profile.Bytes / 1e9:F2} GB · {profile.Rate:F1} GB/s");
        text += profile.OfRoofline is { } share ? Format($" · {100 * share:F0} % of the {profile.ReadBandwidth:F1} GB/s that memory gives") : $" · memory: {note ?? "not measured yet"}";
        Put(text, Ink.Bold, width);
    }

    private void DrawPart(int index, int width)
    {
        if (profile is null || index >= profile.Parts.Count) return;
        var part = profile.Parts[index];
        // Where parts are not timed, their shares of the bytes stand in, and the line says so.
        var share = part.Seconds is { } seconds ? seconds / profile.Seconds : profile.Bytes > 0 ? part.Bytes / profile.Bytes : 0;
        Put(NameOf(part.Part).PadRight(NameColumns), Ink.None, width);
        var bar = Math.Max(0, Math.Min(40, width - NameColumns - NumberColumns));
        var halves = (int)Math.Round(Math.Clamp(share, 0, 1) * bar * 2);
        var drawn = new string('█', halves / 2) + (halves % 2 == 1 ? "▌" : "");
        if (bar > 0) Put(drawn.PadRight(bar), Ink.Code, bar);
        var numbers = part.Seconds is { } time
            ? Format($"{100 * share,4:F0} % {time * 1000,8:F3} ms{Rate(part.Bytes, time)}")
            : Format($"{100 * share,4:F0} % of the bytes; not timed on a GPU");
        Put(numbers, Ink.None, Math.Max(0, width - NameColumns - bar));
    }

    private string Rate(double bytes, double seconds)
    {
        if (bytes <= 0 || seconds <= 0) return "";
        var rate = bytes / seconds / 1e9;
        return Format($" {rate,6:F1} GB/s") + (profile?.ReadBandwidth is { } most and > 0 ? Format($" {100 * rate / most,4:F0} %") : "");
    }

    private static string NameOf(StepPart part) => part switch
    {
        StepPart.Embedding => "embedding",
        StepPart.Projections => "projections",
        StepPart.Attention => "attention",
        StepPart.Router => "router",
        StepPart.GateUp => "gate/up",
        StepPart.Down => "down",
        StepPart.Head => "head",
        _ => throw new ArgumentOutOfRangeException(nameof(part), part, "no such part"),
    };

    private static string Count(long tokens) => tokens == 1 ? "1 token" : Format($"{tokens} tokens");

    private static string Format(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
