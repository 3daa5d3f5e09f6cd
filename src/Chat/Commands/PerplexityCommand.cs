using System.CommandLine;
using System.Text;
using System.Text.Json;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Evaluation;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run perplexity MODEL -f FILE</c>: how well a model predicts a text, and how far it is from another run.</summary>
internal static class PerplexityCommand
{
    private static readonly PerplexityOptions Usual = new();

    public static Command Create()
    {
        var model = ModelArgument.Required();
        var file = new Option<string?>("--file", "-f")
        {
            Description = "The text: UTF-8, taken as it is, but without its last newline; no special tokens are read in it. With --kl-divergence not needed: the base holds the tokens.",
            HelpName = "FILE",
        }.NotEmpty("a path");
        var chunks = new Option<int>("--chunks")
        {
            Description = "Most windows that are evaluated; -1 for all.",
            HelpName = "N",
            DefaultValueFactory = _ => -1,
        }.TakesNumber(n => n is -1 or > 0, "1 or more, or -1 for all");
        var stride = new Option<int>("--stride")
        {
            Description = "Evaluate all of the text: windows begin N tokens after each other (N below -c), and each scores the tokens that no earlier one has, so that every token but the first is scored once, after at least c - N tokens where there are so many. Without it, llama.cpp's method: windows side by side, of each the second half scored.",
            HelpName = "N",
        }.TakesNumber(n => n > 0, "1 or more");
        var save = new Option<string?>("--save-logits") { Description = "Write the logits of all scored positions (4 bytes for each token of the vocabulary) to a base that other runs are compared with.", HelpName = "FILE" }.NotEmpty("a path");
        var compare = new Option<string?>("--kl-divergence") { Description = "Compare this run with a base that --save-logits wrote. Text, -c and --stride are those of the base.", HelpName = "FILE" }.NotEmpty("a path");
        var json = new Option<bool>("--json") { Description = "Print JSON, when all is done." };
        var engine = new EngineOptionsBinder("Tokens of a window", Usual.Context);
        var command = new Command("perplexity", "Measure how well a model predicts a text, by llama.cpp's method.") { model, file, chunks, stride, save, compare, json };
        engine.AddTo(command);
        command.SetAction(async (parsed, cancellation) =>
        {
            var path = parsed.GetValue(model)!;
            var textPath = parsed.GetValue(file);
            var given = engine.GivenContext(parsed);
            var saveTo = parsed.GetValue(save);
            if (textPath is null && parsed.GetValue(compare) is null) throw new UsageException("there is no text", "Give one with -f FILE.");
            if (saveTo is not null && parsed.GetValue(compare) is not null)
                throw new UsageException("--save-logits and --kl-divergence were both given", "A run is a base, or is compared with one: give one of them.");
            if (given is > 0 and < PerplexityOptions.LeastContext) throw new UsageException($"a window of {given} tokens is too short", $"-c takes {PerplexityOptions.LeastContext} or more, or 0.");
            // Before the model: a base that cannot be used should not take the minutes that loading does.
            using var basis = parsed.GetValue(compare) is { } basePath ? BaseFile.Open(basePath) : null;
            var text = textPath is null ? null : await ReadAsync(textPath, cancellation);

            using var opened = engine.Open(
                path, parsed, cancellation, options => given is null && basis is not null ? options with { ContextLength = basis.Context } : options);
            var options = new PerplexityOptions
            {
                Context = given is > 0 and var asked ? asked : given is null && basis is not null ? basis.Context : opened.ContextLength,
                Stride = parsed.GetValue(stride) is > 0 and var step ? step : basis?.Stride,
                MostWindows = parsed.GetValue(chunks) is > 0 and var most ? most : null,
                Threads = engine.Threads(parsed),
                SaveTo = saveTo,
                Base = basis,
            };
            if (options.Stride >= options.Context)
                throw new UsageException($"a stride of {options.Stride} leaves no context in windows of {options.Context} tokens", $"Give a stride of 1 to {options.Context - 1}, or longer windows (-c).");
            basis?.CheckModel(opened);
            if (text is not null) basis?.CheckText(Perplexity.Tokenize(opened.Tokenizer, text));
            ReadOnlyMemory<int> tokens = basis?.Tokens ?? Perplexity.Tokenize(opened.Tokenizer, text!);

            var isJson = parsed.GetValue(json);
            var progress = new PerplexityProgressLine(values: !isJson);
            PerplexityResult result;
            try
            {
                result = Perplexity.Run(opened, tokens, options with { Progress = progress }, cancellation);
            }
            finally
            {
                progress.Clear();
            }
            if (isJson) PrintJson(path, opened, textPath, options, tokens.Length, result, progress.Running);
            else Print(options, result);
            if (saveTo is not null) await Console.Error.WriteLineAsync($"wrote the logits of {result.Scored} positions to {saveTo}");
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<string> ReadAsync(string path, CancellationToken cancellation)
    {
        var text = Encoding.UTF8.GetString(await File.ReadAllBytesAsync(path, cancellation)); // not ReadAllText, which drops a byte order mark
        return text.EndsWith('\n') ? text[..^1] : text; // as llama.cpp reads it
    }

    private static void Print(PerplexityOptions options, PerplexityResult r)
    {
        Line($"PPL = {r.Perplexity.Value:F4} ± {r.Perplexity.Error:F5}");
        Line($"{r.Windows} windows of {options.Context} tokens{(options.Stride is { } stride ? $" at a stride of {stride}" : "")}, {r.Scored} tokens scored; "
            + $"{r.Computed} computed in {r.Elapsed.TotalSeconds:F1} s, {r.TokensPerSecond:F1} tokens/s");
        if (r.Divergence is not { } d) return;
        Line("");
        Line($"against {options.Base!.Path}:");
        Line($"PPL of the base    {d.BasePerplexity.Value:F4} ± {d.BasePerplexity.Error:F5}");
        Line($"PPL / PPL of base  {d.Ratio.Value:F6} ± {d.Ratio.Error:F6}");
        Line($"KL mean            {d.Mean.Value:0.0000e+00} ± {d.Mean.Error:0.0e+00} nats");
        Line($"KL median          {d.Median:0.0000e+00}");
        Line($"KL 90 %            {d.P90:0.0000e+00}");
        Line($"KL 95 %            {d.P95:0.0000e+00}");
        Line($"KL 99 %            {d.P99:0.0000e+00}");
        Line($"KL 99.9 %          {d.P999:0.0000e+00}");
        Line($"KL maximum         {d.Maximum:0.0000e+00}");
        Line($"Δp mean            {100 * d.DeltaMean.Value:F4} ± {100 * d.DeltaMean.Error:F4} %");
        Line($"Δp RMS             {100 * d.DeltaRms.Value:F4} ± {100 * d.DeltaRms.Error:F4} %");
        Line($"same top token     {100 * d.SameTop.Value:F3} ± {100 * d.SameTop.Error:F3} %");
    }

    private static void Line(string text) => Console.Out.WriteLine(text);

    private static void PrintJson(
        string model, Engine engine, string? text, PerplexityOptions options, int tokens, PerplexityResult r, IReadOnlyList<double> running)
    {
        using var stdout = Console.OpenStandardOutput();
        using (var w = new Utf8JsonWriter(stdout, new JsonWriterOptions { Indented = true }))
        {
            w.WriteStartObject();
            w.WriteString("model", model);
            w.WriteString("backend", engine.Backend);
            w.WriteString("text", text);
            w.WriteNumber("tokens", tokens);
            w.WriteNumber("context", options.Context);
            if (options.Stride is { } stride) w.WriteNumber("stride", stride);
            else w.WriteNull("stride");
            w.WriteNumber("windows", r.Windows);
            w.WriteNumber("scored", r.Scored);
            w.WriteNumber("computed", r.Computed);
            Number(w, "seconds", r.Elapsed.TotalSeconds);
            Number(w, "tokens_per_second", r.TokensPerSecond);
            Number(w, "nll", r.Nll);
            Number(w, "perplexity", r.Perplexity);
            w.WriteStartArray("running");
            foreach (var value in running) Number(w, value);
            w.WriteEndArray();
            w.WriteString("saved", options.SaveTo);
            if (r.Divergence is { } d) WriteDivergence(w, options.Base!.Path, d);
            else w.WriteNull("divergence");
            w.WriteEndObject();
        }
        stdout.WriteByte((byte)'\n');
    }

    private static void WriteDivergence(Utf8JsonWriter w, string path, Divergence d)
    {
        w.WriteStartObject("divergence");
        w.WriteString("base", path);
        Number(w, "base_perplexity", d.BasePerplexity);
        Number(w, "perplexity_ratio", d.Ratio);
        Number(w, "kl_mean", d.Mean);
        Number(w, "kl_median", d.Median);
        Number(w, "kl_90", d.P90);
        Number(w, "kl_95", d.P95);
        Number(w, "kl_99", d.P99);
        Number(w, "kl_99_9", d.P999);
        Number(w, "kl_maximum", d.Maximum);
        Number(w, "delta_p_mean", d.DeltaMean);
        Number(w, "delta_p_rms", d.DeltaRms);
        Number(w, "same_top", d.SameTop);
        w.WriteEndObject();
    }

    private static void Number(Utf8JsonWriter w, string name, Estimate value)
    {
        Number(w, name, value.Value);
        Number(w, name + "_error", value.Error);
    }

    private static void Number(Utf8JsonWriter w, string name, double value)
    {
        w.WritePropertyName(name);
        Number(w, value);
    }

    // JSON has no infinity and no NaN.
    private static void Number(Utf8JsonWriter w, double value)
    {
        if (double.IsFinite(value)) w.WriteNumberValue(value);
        else w.WriteNullValue();
    }
}
