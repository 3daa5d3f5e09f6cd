using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;
using WarpDecode.Runtime.Evaluation;

namespace WarpDecode.Chat.Commands;

/// <summary>Relative errors over the layers on a logarithmic scale: a colour a path, isolated solid, accumulated dashed.</summary>
internal static class AccuracyPlot
{
    // Okabe and Ito's colours, which people with any colour vision can tell apart.
    private static readonly OxyColor[] Colours =
    [
        OxyColor.FromRgb(0, 114, 178), OxyColor.FromRgb(0, 158, 115), OxyColor.FromRgb(230, 159, 0), OxyColor.FromRgb(213, 94, 0),
        OxyColor.FromRgb(86, 180, 233), OxyColor.FromRgb(0, 0, 0), OxyColor.FromRgb(240, 228, 66), OxyColor.FromRgb(204, 121, 167),
    ];

    // A path on the GPU has the mark of the same form on the CPU.
    private static readonly MarkerType[] Markers = [MarkerType.Circle, MarkerType.Square, MarkerType.Triangle, MarkerType.Diamond];

    /// <summary>Writes the plot as SVG.</summary>
    public static void Write(AccuracyReport report, Stream to)
    {
        var plot = new PlotModel
        {
            Title = $"Error of the experts against FP64: {Path.GetFileName(report.Model)} ({report.ExpertTypes})",
            TitleFontSize = 15,
            Background = OxyColors.White,
        };
        plot.Axes.Add(new LinearAxis
        {
            Position = AxisPosition.Bottom,
            Title = "layer",
            MajorStep = Math.Max(1, report.Layers / 12),
            MinorTickSize = 0,
            MinimumPadding = 0.02,
            MaximumPadding = 0.02,
        });
        plot.Axes.Add(new LogarithmicAxis
        {
            Position = AxisPosition.Left,
            Title = "relative L2 error",
            MajorGridlineStyle = LineStyle.Solid,
            MajorGridlineColor = OxyColor.FromRgb(225, 225, 225),
            UseSuperExponentialFormat = false,
            StringFormat = "0E+0",
            MinimumPadding = 0.1,
            MaximumPadding = 0.1,
        });
        plot.Legends.Add(new Legend { LegendPosition = LegendPosition.RightTop, LegendPlacement = LegendPlacement.Outside, LegendFontSize = 11 });
        for (var i = 0; i < report.Paths.Count; i++)
        {
            plot.Series.Add(Line(report.Paths[i].Name, report.Paths[i].Isolated, i, LineStyle.Solid));
            plot.Series.Add(Line($"{report.Paths[i].Key}, accumulated", report.Paths[i].Accumulated, i, LineStyle.Dash));
        }
        new SvgExporter { Width = 1000, Height = 520 }.Export(plot, to);
    }

    private static LineSeries Line(string title, IReadOnlyList<Deviation> layers, int path, LineStyle style)
    {
        var line = new LineSeries
        {
            Title = title,
            Color = Colours[path % Colours.Length],
            LineStyle = style,
            StrokeThickness = style == LineStyle.Solid ? 2 : 1,
            MarkerType = style == LineStyle.Solid ? Markers[path % Markers.Length] : MarkerType.None,
            MarkerSize = 3.5,
        };
        for (var layer = 0; layer < layers.Count; layer++) line.Points.Add(new DataPoint(layer, layers[layer].RelativeL2));
        return line;
    }
}
