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

    private const double Width = 1000;
    private const double Height = 560;

    /// <summary>Writes the plot as SVG.</summary>
    public static void Write(AccuracyReport report, Stream to)
    {
        var plot = new PlotModel
        {
            Title = $"Error of the experts against FP64: {Path.GetFileName(report.Model)} ({report.ExpertTypes})",
            TitleFontSize = 15,
            Background = OxyColors.White,
            Padding = new OxyThickness(12),
        };
        plot.Axes.Add(new LinearAxis
        {
            Position = AxisPosition.Bottom,
            Title = "layer (solid: each layer isolated; dashed: accumulated over the layers)",
            AxisTitleDistance = 8,
            MajorStep = Math.Max(1, report.Layers / 12),
            MinorTickSize = 0,
            MinimumPadding = 0.02,
            MaximumPadding = 0.02,
        });
        plot.Axes.Add(new LogarithmicAxis
        {
            Position = AxisPosition.Left,
            Title = "relative L2 error",
            AxisTitleDistance = 16,
            MajorGridlineStyle = LineStyle.Solid,
            MajorGridlineColor = OxyColor.FromRgb(225, 225, 225),
            UseSuperExponentialFormat = false,
            StringFormat = "0E+0",
            MinimumPadding = 0.1,
            MaximumPadding = 0.1,
        });
        plot.Legends.Add(new Legend
        {
            LegendPosition = LegendPosition.BottomCenter,
            LegendPlacement = LegendPlacement.Outside,
            LegendOrientation = LegendOrientation.Horizontal,
            LegendFontSize = 12,
            LegendItemSpacing = 24,
        });
        for (var i = 0; i < report.Paths.Count; i++)
        {
            plot.Series.Add(Line(report.Paths[i].Key, report.Paths[i].Isolated, i, LineStyle.Solid));
            plot.Series.Add(Line(null, report.Paths[i].Accumulated, i, LineStyle.Dash));
        }
        new SvgExporter { Width = Width, Height = Height, UseVerticalTextAlignmentWorkaround = true, TextMeasurer = new WideText() }.Export(plot, to);
    }

    private static LineSeries Line(string? title, IReadOnlyList<Deviation> layers, int path, LineStyle style)
    {
        var line = new LineSeries
        {
            Title = title,
            RenderInLegend = title is not null,
            Color = Colours[path % Colours.Length],
            LineStyle = style,
            StrokeThickness = style == LineStyle.Solid ? 2 : 1,
            MarkerType = style == LineStyle.Solid ? Markers[path % Markers.Length] : MarkerType.None,
            MarkerSize = 3.5,
        };
        for (var layer = 0; layer < layers.Count; layer++) line.Points.Add(new DataPoint(layer, layers[layer].RelativeL2));
        return line;
    }

    // A legend's entry is cut where its text was measured to end, and what is measured is half as wide as the fonts of some viewers.
    private sealed class WideText() : PdfRenderContext(AccuracyPlot.Width, AccuracyPlot.Height, OxyColors.White)
    {
        public override OxySize MeasureText(string text, string fontFamily, double fontSize, double fontWeight)
        {
            var size = base.MeasureText(text, fontFamily, fontSize, fontWeight);
            return new OxySize(size.Width * 1.6, size.Height);
        }
    }
}
