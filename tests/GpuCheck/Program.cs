using System.CommandLine;
using WarpDecode.GpuCheck;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;

// What a machine with a GPU must show, in one run: bench/gpu-check.sh unpacks the published program and starts it.
var golden = new Option<string>("--golden") { Description = "Folder of tests/Golden/qwen3_moe.", DefaultValueFactory = _ => "golden" };
var quantized = new Option<string?>("--quantized") { Description = "Folder of more quantized golden files (qwen3_moe-*.gguf)." };
var models = new Option<string[]>("--model") { Description = "Models to compare with the cpu backend and to time.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [] };
var only = new Option<string[]>("--only")
{
    Description = "Sections to run: kernels, bandwidth, golden, models, attention, dense, experts, tuning, exact, logits, steps, conversations. Default: all.",
    AllowMultipleArgumentsPerToken = true,
    DefaultValueFactory = _ => [],
};
var output = new Option<string>("--out") { Description = "Folder for gpu-check.md and gpu-check.json.", DefaultValueFactory = _ => "." };
var emulated = new Option<bool>("--emulated") { Description = "On ILGPU's CPU accelerator, to try this program without a GPU (slow; only golden)." };
var limit = new Option<double>("--seconds") { Description = "No new section or measurement is begun after this time.", DefaultValueFactory = _ => 210 };
var profile = new Option<bool>("--profile") { Description = "Only launch the expert kernels a few times each, for a profiler (ncu) to look at." };
var ptx = new Option<string?>("--ptx") { Description = "Only write the PTX of every kernel to this folder; needs no GPU." };
var architecture = new Option<int>("--sm") { Description = "Architecture for --ptx.", DefaultValueFactory = _ => 90 };

var root = new RootCommand("Checks and measures the cuda backend on this machine.") { golden, quantized, models, only, output, emulated, limit, ptx, architecture, profile };
root.SetAction(parsed =>
{
    if (parsed.GetValue(ptx) is { } folder) return WritePtx(folder, parsed.GetValue(architecture));
    if (parsed.GetValue(profile))
    {
        ExactBenchmark.Profile();
        return 0;
    }
    var report = new Report(parsed.GetValue(output)!, parsed.GetValue(limit));
    var sections = parsed.GetValue(only)!;
    var emulate = parsed.GetValue(emulated);
    GpuDevice Open() => emulate ? new EmulatedDevice() : CudaDevice.Open();
    void Section(string name, Action run)
    {
        if (sections.Length == 0 || sections.Contains(name, StringComparer.Ordinal)) report.Section(name, run);
    }

    Section("kernels", () => KernelCheck.Run(report, Open));
    if (!emulate) Section("bandwidth", () => Bandwidth.Run(report));
    Section("golden", () => GoldenCheck.Run(report, Open, parsed.GetValue(golden)!, parsed.GetValue(quantized), brief: emulate));
    Section("models", () => ModelCheck.Run(report, Open, parsed.GetValue(models)!));
    if (!emulate)
    {
        Section("attention", () => AttentionBenchmark.Run(report));
        Section("dense", () => DenseBenchmark.Run(report, brief: sections.Length == 0));
        Section("experts", () => ExpertsBenchmark.Run(report));
        Section("tuning", () => TuningBenchmark.Run(report));
        Section("exact", () => ExactBenchmark.Run(report));
        Section("logits", () => LogitsBenchmark.Run(report));
        Section("steps", () => StepBenchmark.Run(report));
        Section("conversations", () => ConversationsCheck.Run(report));
    }
    return report.Finish();
});
return root.Parse(args).Invoke();

static int WritePtx(string folder, int sm)
{
    Directory.CreateDirectory(folder);
    using var compiler = new Ptx(sm / 10, sm % 10);
    foreach (var (name, method) in Catalog.All())
        File.WriteAllText(Path.Combine(folder, string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' ? c : '_')) + ".ptx"), compiler.Compile(method, LaunchBounds.Of(method)).Text);
    return 0;
}
