using System.CommandLine;
using WarpDecode.Formats;
using WarpDecode.Runtime.Quantization;

namespace WarpDecode.Bench;

/// <summary>How far the weights of quantized files are from those they were made of, for <c>bench/quantize.sh</c>.</summary>
internal static class QuantizeErrors
{
    public static Command Command()
    {
        var basis = new Argument<string>("BASE") { Description = "The file that was quantized." };
        var ours = new Argument<string>("FILE") { Description = "What became of it." };
        var theirs = new Argument<string>("OTHER") { Description = "What became of it elsewhere." };
        var label = new Option<string>("--label") { Description = "First column of the row.", DefaultValueFactory = _ => "" };
        var command = new Command("quantize-errors", "A Markdown row: error of two quantized files relative to their base, over the tensors that both changed to the same type.") { basis, ours, theirs, label };
        command.SetAction(parsed =>
        {
            using var x = ModelFile.Open(parsed.GetValue(basis)!);
            using var a = ModelFile.Open(parsed.GetValue(ours)!);
            using var b = ModelFile.Open(parsed.GetValue(theirs)!);
            var rows = new List<(double A, double B, double X)>();
            var others = 0;
            foreach (var tensor in x.Tensors)
            {
                var (ta, tb) = (a.Find(tensor.Name) ?? throw new InvalidDataException($"no {tensor.Name}"), b.Find(tensor.Name) ?? throw new InvalidDataException($"no {tensor.Name}"));
                if (ta.Type != tb.Type) others++;
                else if (ta.Type != tensor.Type) rows.Add(Errors(x, tensor, a, ta, b, tb));
            }
            if (rows.Count == 0) throw new InvalidDataException("no tensor was changed to the same type in both files");
            var (sumA, sumB, sumX) = (rows.Sum(r => r.A), rows.Sum(r => r.B), rows.Sum(r => r.X));
            var ratios = rows.Select(r => Ratio(r.A, r.B)).ToList();
            Console.WriteLine($"| {parsed.GetValue(label)} | {rows.Count} | {others} | {Math.Sqrt(sumA / sumX):0.00000} | {Math.Sqrt(sumB / sumX):0.00000} | {Ratio(sumA, sumB):0.0000} | {ratios.Min():0.0000} to {ratios.Max():0.0000} |");
        });
        return command;
    }

    private static double Ratio(double a, double b) => a == b ? 1 : Math.Sqrt(a / b);

    // Sums of squares: of the two errors, and of the weights.
    private static (double A, double B, double X) Errors(ModelFile x, TensorView tensor, ModelFile a, TensorView ta, ModelFile b, TensorView tb)
    {
        var (base0, rowsA, rowsB) = (new SourceRows(x.Path, tensor), new SourceRows(a.Path, ta), new SourceRows(b.Path, tb));
        var (wx, wa, wb) = (new float[base0.Columns], new float[base0.Columns], new float[base0.Columns]);
        byte[]? room = null;
        var sum = (A: 0.0, B: 0.0, X: 0.0);
        for (var row = 0L; row < base0.Rows; row++)
        {
            base0.Read(row, 0, wx, ref room);
            rowsA.Read(row, 0, wa, ref room);
            rowsB.Read(row, 0, wb, ref room);
            for (var i = 0; i < wx.Length; i++)
            {
                var (ea, eb) = ((double)wa[i] - wx[i], (double)wb[i] - wx[i]);
                sum = (sum.A + (ea * ea), sum.B + (eb * eb), sum.X + ((double)wx[i] * wx[i]));
            }
        }
        return sum;
    }
}
