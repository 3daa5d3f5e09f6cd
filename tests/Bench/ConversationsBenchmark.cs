using System.CommandLine;
using System.Globalization;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.Bench;

/// <summary>Speed of several conversations at once, as a ratio to one.</summary>
internal static class ConversationsBenchmark
{
    public static Command Command()
    {
        var model = new Argument<string?>("MODEL") { Description = "A model, or none with --synthetic.", Arity = ArgumentArity.ZeroOrOne };
        var synthetic = new Option<string?>("--synthetic") { Description = "A model of that shape made in memory, as wd-run bench has it." };
        var counts = new Option<int[]>("--counts") { Description = "How many conversations at once.", DefaultValueFactory = _ => [1, 4, 8, 16], AllowMultipleArgumentsPerToken = true };
        var tokens = new Option<int>("-n") { Description = "Tokens that each decodes.", DefaultValueFactory = _ => 64 };
        var repeats = new Option<int>("-r") { Description = "Repeats.", DefaultValueFactory = _ => 5 };
        var backend = new Option<BackendKind>("--backend") { Description = "Where.", DefaultValueFactory = _ => BackendKind.Auto };
        var command = new Command("conversations", "Several conversations at once: tokens/s together, as a ratio to one, and whether the bits are those of each alone.")
        {
            model, synthetic, counts, tokens, repeats, backend,
        };
        command.SetAction(parsed =>
        {
            var options = new EngineOptions
            {
                Backend = parsed.GetValue(backend),
                Sessions = parsed.GetValue(counts)!.Max(),
                ContextLength = 64 + parsed.GetValue(tokens),
            };
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{HostMachine.Description}; version {HostMachine.Version}"));
            using var made = parsed.GetValue(synthetic) is { } name ? SyntheticModel.Parse(name).MakeHollow() : null;
            if (made is not null && options.Backend is BackendKind.Cpu) SyntheticModel.Fill(made, null, CancellationToken.None);
            var path = parsed.GetValue(model) ?? made?.Path ?? throw new ArgumentException("a MODEL or --synthetic is needed");
            using var engine = Open(path, options, made);
            Console.WriteLine($"{path} on {engine.Backend}; 32 tokens of prompt, {parsed.GetValue(tokens)} decoded by each\n");
            Console.Write(Conversations.Table(Conversations.Measure(engine, parsed.GetValue(counts)!, 32, parsed.GetValue(tokens), parsed.GetValue(repeats))));
        });
        return command;
    }

    private static Engine Open(string path, EngineOptions options, ModelFile? made) =>
        made is null || options.Backend == BackendKind.Cpu
            ? Engine.Open(path, options, () => CudaDevice.Open(), made)
            : Engine.Open(path, options, () => CudaDevice.Open(), made, device => new SyntheticFill(device).Filler);
}
