using System.CommandLine;
using System.Diagnostics;
using WarpDecode.Formats;
using WarpDecode.Runtime.Quantization;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run quantize IN OUT TYPE</c>: writes a model with its weights in other types.</summary>
internal static class QuantizeCommand
{
    public static Command Create()
    {
        var input = new Argument<string>("IN") { Description = "Model to quantize, weights F32, F16 or BF16: a GGUF file, or a folder with safetensors." };
        var output = new Argument<string>("OUT") { Description = "GGUF file to write. It has this name only when it is whole." };
        var type = new Argument<string>("TYPE")
        {
            Description = "What to quantize to, in any case:\n"
                + string.Join("\n", QuantizeTarget.All.Select(target => $"{target.Name,-9} {target.Description}"))
                + "\n" + string.Join(", ", QuantizeTarget.OtherNames.Select(alias => $"{alias.Key} is {alias.Value}")),
        };
        foreach (var path in (Argument<string>[])[input, output, type])
        {
            path.Validators.Add(result =>
            {
                if (result.Tokens is [{ Value: ['-', ..] word }, ..]) result.AddError($"there is no option {word} here");
                if (result.Tokens is [{ Value: "" }, ..]) result.AddError($"{path.Name} is empty");
            });
        }
        type.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: { Length: > 0 } name }] && QuantizeTarget.Find(name) is null)
                result.AddError($"there is no type {name}: TYPE is one of {string.Join(", ", QuantizeTarget.All.Select(target => target.Name))}");
        });
        var importance = new Option<string?>("--imatrix") { Description = "How much each weight matters: a GGUF file by llama.cpp's llama-imatrix. Tensors that it lacks are listed.", HelpName = "FILE" }.NotEmpty("a path");
        var outputType = TypeOption("--output-tensor-type", "Type of output.weight, in the place of the rule's.");
        var embeddingType = TypeOption("--token-embedding-type", "Type of token_embd.weight, in the place of the rule's.");
        var pure = new Option<bool>("--pure") { Description = "Give all weights the same type, none more bits." };
        var requantize = new Option<bool>("--allow-requantize") { Description = "Take weights that are quantized already; each time loses more." };
        var force = new Option<bool>("--force") { Description = "Replace OUT if it exists. Without it an existing file is left alone." };
        var dryRun = new Option<bool>("--dry-run") { Description = "Write nothing: say what would become of each tensor." };
        var threads = new Option<int>("--threads", "-t") { Description = "Threads; 0 for one a core. The bytes do not depend on it.", HelpName = "N", DefaultValueFactory = _ => 0 }.TakesNumber(n => n is >= 0 and <= 1024, "0 to 1024");
        var verbose = new Option<bool>("--verbose", "-v") { Description = "Say of each tensor what became of it." };
        var command = new Command(
            "quantize",
            "Write a model with its weights in another type. Norms, routers and biases stay F32; rows that are no whole number of blocks get the next larger type that fits, and a note says so. Which tensors get more bits is what llama.cpp's types of these names say.")
        { input, output, type, importance, outputType, embeddingType, pure, requantize, force, dryRun, threads, verbose };
        command.SetAction(async (parsed, cancellation) =>
        {
            var (from, to) = (parsed.GetValue(input)!, parsed.GetValue(output)!);
            var progress = new QuantizeProgressLine();
            var options = new QuantizeOptions
            {
                Target = QuantizeTarget.Find(parsed.GetValue(type)!)!,
                Pure = parsed.GetValue(pure),
                OutputType = ParseType(parsed.GetValue(outputType)),
                TokenEmbeddingType = ParseType(parsed.GetValue(embeddingType)),
                AllowRequantize = parsed.GetValue(requantize),
                ImportancePath = parsed.GetValue(importance),
                Overwrite = parsed.GetValue(force),
                Threads = parsed.GetValue(threads),
                Progress = progress,
            };
            var clock = Stopwatch.StartNew();
            QuantizePlan plan;
            try
            {
                plan = parsed.GetValue(dryRun) ? Quantizer.Plan(from, options) : Quantizer.Run(from, to, options, cancellation);
            }
            finally
            {
                progress.Clear();
            }
            foreach (var note in plan.Notes) await Console.Error.WriteLineAsync("note:  " + note);
            if (parsed.GetValue(verbose) || parsed.GetValue(dryRun))
            {
                foreach (var tensor in plan.Tensors) Console.Out.WriteLine(tensor);
            }
            var types = plan.Tensors.GroupBy(t => t.To).OrderByDescending(g => g.Sum(t => t.Bytes)).Select(g => $"{g.Key} {g.Count()}");
            Console.Out.WriteLine($"{options.Target.Name}: {plan.Tensors.Count} tensors ({string.Join(", ", types)}), {plan.BitsPerWeight:F2} bits a weight, "
                + $"{plan.Tensors.Sum(t => t.BytesBefore) / 1e6:N1} MB -> {plan.FileBytes / 1e6:N1} MB"
                + (parsed.GetValue(dryRun) ? "; nothing was written" : $" in {clock.Elapsed.TotalSeconds:F1} s: {to}"));
            return ExitCode.Done;
        });
        return command;
    }

    private static Option<string?> TypeOption(string name, string description)
    {
        var option = new Option<string?>(name) { Description = description, HelpName = "TYPE" };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && ParseType(text) is null)
                result.AddError($"{name} takes one of {string.Join(", ", Quantizer.Types)}, not '{text}'");
        });
        return option;
    }

    private static WeightType? ParseType(string? text)
    {
        foreach (var type in Quantizer.Types)
        {
            if (type.ToString().Equals(text, StringComparison.OrdinalIgnoreCase)) return type;
        }
        return null;
    }
}
