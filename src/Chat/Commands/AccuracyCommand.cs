using System.CommandLine;
using System.Text;
using WarpDecode.Runtime.Evaluation;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run accuracy MODEL</c>: how far each way of computing the experts is from FP64 on the same weights.</summary>
internal static class AccuracyCommand
{
    // Short texts of everyday English, code and numbers, for a model is asked all of that.
    private static readonly string[] Texts =
    [
        "Once upon a time there was a girl named Daisy. One rainy day she went to the garden and found a small yellow key under a stone.",
        "A Mixture-of-Experts layer sends every token to a few of its experts and adds up what they answer, weighted by the router.",
        "for (var i = 0; i < rows; i++)\n{\n    sum += weights[i] * x[i];\n}\nreturn sum;",
        "Anna has 12 apples. She gives 5 of them to Niko and buys 8 more at the market. How many apples does she have now? 12 - 5 + 8 = 15.",
    ];

    public static Command Create()
    {
        var model = ModelArgument.Required();
        var file = new Option<string?>("--file", "-f") { Description = "Text to compute, UTF-8; without it, a few short texts.", HelpName = "FILE" }.NotEmpty("a path");
        var window = new Option<int>("--window") { Description = "Texts are cut into sequences of so many tokens.", HelpName = "N", DefaultValueFactory = _ => 128 }.TakesNumber(n => n >= 2, "2 or more");
        var tokens = new Option<int>("--tokens") { Description = "Most tokens in all; the reference is slow.", HelpName = "N", DefaultValueFactory = _ => 512 }.TakesNumber(n => n >= 2, "2 or more");
        var threads = new Option<int>("--threads", "-t") { Description = "Threads; 0 for one a core.", HelpName = "N", DefaultValueFactory = _ => 0 }.TakesNumber(n => n is >= 0 and <= 1024, "0 to 1024");
        var noGpu = new Option<bool>("--no-gpu") { Description = "Leave the GPU out." };
        var outFile = new Option<string?>("--out", "-o") { Description = "Write a plot of the errors over the layers (SVG).", HelpName = "FILE.svg" }.NotEmpty("a path");
        outFile.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: { Length: > 0 } path }] && !path.EndsWith(".svg", StringComparison.OrdinalIgnoreCase))
                result.AddError($"--out writes SVG: give a path that ends in .svg, not '{path}'");
        });
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var markdown = new Option<bool>("--markdown") { Description = "Print the tables as Markdown." };
        var command = new Command(
            "accuracy",
            "Compare warp decode, BF16 activations and the conventional path with FP64 on the same weights, layer by layer and at the logits. Only the expert FFN differs between the paths.")
        { model, file, window, tokens, threads, noGpu, outFile, json, markdown };
        command.SetAction(async (parsed, cancellation) =>
        {
            if (parsed.GetValue(json) && parsed.GetValue(markdown)) throw new UsageException("both --json and --markdown were given", "Give one of them.");
            var texts = parsed.GetValue(file) is { } path ? [Encoding.UTF8.GetString(await File.ReadAllBytesAsync(path, cancellation))] : Texts;
            var plot = parsed.GetValue(outFile);
            var progress = AccuracyProgressLine.ForTerminal();
            var options = new AccuracyOptions
            {
                WindowTokens = parsed.GetValue(window),
                MostTokens = parsed.GetValue(tokens),
                Threads = parsed.GetValue(threads),
                UseGpu = !parsed.GetValue(noGpu),
                Progress = progress,
            };
            AccuracyReport report;
            try
            {
                report = Accuracy.Measure(parsed.GetValue(model)!, texts, options, cancellation);
            }
            catch (ArgumentException e)
            {
                throw new UsageException(e.Message, "Give a text of at least two tokens with -f.");
            }
            finally
            {
                progress?.Clear();
            }
            foreach (var note in report.Notes) await Console.Error.WriteLineAsync("note:  " + note);
            if (plot is not null)
            {
                await using var stream = File.Create(plot);
                AccuracyPlot.Write(report, stream);
            }
            if (parsed.GetValue(json)) AccuracyTables.WriteJson(report, StandardOutput.Stream);
            else await Console.Out.WriteAsync(AccuracyTables.Text(report, parsed.GetValue(markdown)));
            return ExitCode.Done;
        });
        return command;
    }
}
