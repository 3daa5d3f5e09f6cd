using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Cpu;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime.Models;

namespace WarpDecode.Runtime;

/// <summary>Whether a model would run on a backend of this machine, found without loading it.</summary>
/// <param name="Backend">Name of the backend.</param>
/// <param name="IsUsable">Whether it would.</param>
/// <param name="Text">What it would run on and with how much memory, or why it would not.</param>
internal sealed record BackendPlan(string Backend, bool IsUsable, string Text)
{
    /// <summary>How the backend takes tokens through this model's experts, where that is measured: the result, or that there is none yet. Else null.</summary>
    public string? Experts { get; init; }

    /// <summary>The backends in the order in which auto prefers them.</summary>
    /// <param name="file">A model that this runtime knows; see <see cref="ModelSummary.Problem"/>.</param>
    public static IReadOnlyList<BackendPlan> Of(ModelFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        using var cpu = new CpuBackend();
        using var reference = new Kernels.Reference.ReferenceBackend();
        var packed = file.Tensors.Where(t => !t.IsMapped).Sum(t => t.Bytes);
        var place = packed == 0 ? "weights stay in the memory map"
            : $"{ByteSize.InWords(packed)} of weights are put together in memory, the others stay in the memory map";
        return [OnCuda(file), new BackendPlan(cpu.Name, true, $"{cpu.Description}; {place}"), new BackendPlan(reference.Name, true, reference.Description)];
    }

    private static BackendPlan OnCuda(ModelFile file)
    {
        const string name = "cuda";
        string? advice = null;
        try
        {
            var architecture = Architectures.Of(file);
            var config = architecture.ReadConfig(file);
            var options = new EngineOptions();
            using var cuda = new CudaBackend(CudaDevice.Open());
            IBackend backend = cuda;
            var experts = cuda.ExpertsOf(architecture.Experts(file, config), config.TopK);
            if (backend.FreeBytes is not { } free) return new BackendPlan(name, true, backend.Description) { Experts = experts };
            var plan = new MemoryPlan(file, config, backend, options, free);
            var whole = Placement.Whole(config);
            var context = (int)Math.Clamp(plan.Affordable(whole), Engine.PageTokens, config.ContextLength);
            if (!plan.Fits(whole, context)) advice = plan.Advice(whole);
            return new BackendPlan(name, true, $"{backend.Description}; {plan.Check(whole, context)}") { Experts = experts };
        }
        catch (Exception e) when (e is GpuException or NotSupportedException)
        {
            return new BackendPlan(name, false, advice is null ? e.Message : $"{e.Message}. {advice}");
        }
    }
}
