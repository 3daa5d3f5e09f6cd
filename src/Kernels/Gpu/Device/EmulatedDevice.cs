using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;

namespace WarpDecode.Kernels.Gpu.Device;

/// <summary>
/// ILGPU's CPU accelerator: the same kernels in the host's memory, slowly (about half a millisecond a warp shuffle), so that
/// their arithmetic can be tested without a GPU.
/// </summary>
internal unsafe class EmulatedDevice : GpuDevice
{
    private readonly Context context;
    private readonly CPUAccelerator accelerator;
    private readonly Dictionary<long, HostMemory> memory = [];

    /// <param name="freeBytes">Memory that it says it has; all of the host's if left out.</param>
    public EmulatedDevice(long freeBytes = long.MaxValue)
    {
        FreeBytes = freeBytes;
        context = Context.Create(builder => Dev.Register(builder.CPU(CPUDeviceKind.Nvidia).Optimize(OptimizationLevel.O2)));
        accelerator = context.CreateCPUAccelerator(0, CPUAcceleratorMode.Auto);
    }

    public override string Name => "ILGPU's CPU accelerator";

    public override string Description => $"{Name}, for tests";

    public override long FreeBytes { get; }

    public override int Multiprocessors => 1;

    public override bool HasGraphs => false;

    public override bool HasTiles => true;

    public override void Enter()
    {
    }

    public override long Allocate(long bytes, string purpose)
    {
        var block = new HostMemory(bytes + 256);
        var address = ((long)block.Start + 255) & ~255L;
        memory.Add(address, block);
        return address;
    }

    public override void Free(long address)
    {
        if (memory.Remove(address, out var block)) block.Dispose();
    }

    public override byte* AllocatePinned(long bytes) => (byte*)Allocate(bytes, "pinned");

    public override void FreePinned(byte* memory) => Free((long)memory);

    public override void Upload(long to, void* from, long bytes) => Buffer.MemoryCopy(from, (void*)to, bytes, bytes);

    public override void UploadMapped(long to, byte* from, long bytes) => Upload(to, from, bytes);

    public override void EndUploads()
    {
    }

    public override void UploadPinned(long to, byte* from, long bytes) => Upload(to, from, bytes);

    public override void WaitForUploads()
    {
    }

    public override void Download(void* to, long from, long bytes) => Buffer.MemoryCopy((void*)from, to, bytes, bytes);

    public override void Copy(long to, long from, long bytes) => Buffer.MemoryCopy((void*)from, (void*)to, bytes, bytes);

    public override void Synchronize() => accelerator.Synchronize();

    public override Kernel<TArgs> Compile<TArgs>(Action<TArgs> method) =>
        new EmulatedKernel<TArgs>(accelerator, accelerator.LoadStreamKernel(method), LaunchBounds.Of(method.Method).Threads);

    public override void BeginCapture() => throw new NotSupportedException("graphs need a GPU");

    public override Graph EndCapture() => throw new NotSupportedException("graphs need a GPU");

    public override void Dispose()
    {
        accelerator.Dispose();
        context.Dispose();
        foreach (var block in memory.Values) block.Dispose();
        memory.Clear();
    }

    private sealed class EmulatedKernel<TArgs>(CPUAccelerator accelerator, Action<KernelConfig, TArgs> launcher, int threads) : Kernel<TArgs>
        where TArgs : unmanaged
    {
        public override void Launch(in TArgs args, int x, int y = 1, int z = 1)
        {
            launcher(new KernelConfig(new Index3D(x, y, z), new Index3D(threads, 1, 1)), args);
            accelerator.Synchronize();
        }
    }
}
