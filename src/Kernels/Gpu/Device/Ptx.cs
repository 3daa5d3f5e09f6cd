using System.Reflection;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace WarpDecode.Kernels.Gpu.Device;

/// <summary>From C# methods to PTX for one architecture. Needs no GPU.</summary>
internal sealed class Ptx : IDisposable
{
    private readonly Context context;
    private readonly PTXBackend backend;

    /// <param name="major">Compute capability of the device.</param>
    /// <param name="minor">Its minor number.</param>
    public Ptx(int major, int minor)
    {
        context = Context.Create(builder => Dev.Register(builder.Optimize(OptimizationLevel.O2)));
        // Instruction set 7.8 (CUDA 11.8) is the first that knows sm_90; newer chips translate sm_90 code, so nothing newer is named.
        var target = major * 10 + minor >= 90 ? CudaArchitecture.SM_90 : new CudaArchitecture(major, minor);
        var capabilities = new CudaCapabilityContext(target);
        // ILGPU clamps the target to sm_80; the property's setter is not public.
        typeof(CudaCapabilityContext).GetProperty("TargetArchitecture")!.SetValue(capabilities, target);
        backend = new PTXBackend(context, capabilities, target, CudaInstructionSet.ISA_78, null!);
    }

    /// <summary>Compiles a kernel; returns its PTX and the name of its entry.</summary>
    public (string Text, string Entry) Compile(MethodInfo method, LaunchBounds bounds)
    {
        var kernel = (PTXCompiledKernel)backend.Compile(
            EntryPointDescription.FromExplicitlyGroupedKernel(method), new KernelSpecialization(bounds.Threads, bounds.Blocks));
        return (kernel.PTXAssembly, kernel.Name);
    }

    public void Dispose()
    {
        backend.Dispose();
        context.Dispose();
    }
}
