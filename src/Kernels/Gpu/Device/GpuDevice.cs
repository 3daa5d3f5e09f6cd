using System.Reflection;

namespace WarpDecode.Kernels.Gpu.Device;

/// <summary>How a kernel is compiled and launched.</summary>
/// <param name="Threads">Threads of a block.</param>
/// <param name="Blocks">
/// Blocks that ptxas must leave room for on a multiprocessor. Without this bound it keeps too few loads in flight (measured: down
/// projection 10.5 → 7.6 µs); 2 or 3 are best, 5 spill.
/// </param>
/// <param name="Dependent">
/// Whether its blocks may start before the kernel ahead of it has ended (programmatic dependent launch, from sm_90). Every block
/// of such a kernel calls <see cref="Dev.AwaitPrevious"/> before it reads or writes what an earlier kernel may touch.
/// </param>
internal readonly record struct LaunchBounds(int Threads, int Blocks, bool Dependent = false)
{
    /// <summary>What a kernel's <see cref="LaunchAttribute"/> says, or <see cref="Rows.Bounds"/>.</summary>
    public static LaunchBounds Of(MethodInfo kernel) =>
        kernel.GetCustomAttribute<LaunchAttribute>() is { } launch ? new(launch.Threads, launch.Blocks, launch.Dependent) : Rows.Bounds;
}

/// <summary>The <see cref="LaunchBounds"/> of a kernel, where they are not those of <see cref="Rows.Bounds"/>.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class LaunchAttribute : Attribute
{
    /// <inheritdoc cref="LaunchBounds.Threads"/>
    public int Threads { get; init; } = Rows.Threads;

    /// <inheritdoc cref="LaunchBounds.Blocks"/>
    public int Blocks { get; init; } = 2;

    /// <inheritdoc cref="LaunchBounds.Dependent"/>
    public bool Dependent { get; init; }
}

/// <summary>
/// Where kernels run: an NVIDIA GPU through its driver, or ILGPU's CPU accelerator for tests. Work is queued in order on one
/// stream; what returns values to the host waits for all that was queued before.
/// </summary>
internal abstract unsafe class GpuDevice : IDisposable
{
    /// <summary>Name, capability and memory, for people.</summary>
    public abstract string Description { get; }

    /// <summary>Its name alone.</summary>
    public abstract string Name { get; }

    /// <summary>What times hold for that were measured on it: name, capability and driver. Null where times mean nothing.</summary>
    public virtual string? TimedAs => null;

    /// <summary>Bytes that can still be allocated.</summary>
    public abstract long FreeBytes { get; }

    /// <summary>Compute capability: 75, 80, 90 …</summary>
    public virtual int Capability => 90;

    /// <summary>How many multiprocessors it has.</summary>
    public abstract int Multiprocessors { get; }

    /// <summary>Whether queued work can be captured into a graph.</summary>
    public abstract bool HasGraphs { get; }

    /// <summary>Whether it has the integer products of tensor cores that the exact kernels use (from sm_80).</summary>
    public abstract bool HasTiles { get; }

    /// <summary>Makes the calling thread the one that talks to the device.</summary>
    public abstract void Enter();

    /// <summary>Zeroed memory, aligned to 256 bytes.</summary>
    /// <param name="bytes">Size.</param>
    /// <param name="purpose">What for, for the message if there is not enough.</param>
    public abstract long Allocate(long bytes, string purpose);

    public abstract void Free(long address);

    /// <summary>Host memory that the device copies from and to without help of the processor.</summary>
    public abstract byte* AllocatePinned(long bytes);

    public abstract void FreePinned(byte* memory);

    /// <summary>Copies from any host memory; the source may be changed when this returns.</summary>
    public abstract void Upload(long to, void* from, long bytes);

    /// <summary>Copies a large stretch of a memory map, which has been read when this returns.</summary>
    public abstract void UploadMapped(long to, byte* from, long bytes);

    /// <summary>Gives back the buffers that large copies took.</summary>
    public abstract void EndUploads();

    /// <summary>Queues a copy from pinned memory, which must not change before <see cref="WaitForUploads"/> or a synchronization.</summary>
    public abstract void UploadPinned(long to, byte* from, long bytes);

    /// <summary>Waits until all of <see cref="UploadPinned"/> were read.</summary>
    public abstract void WaitForUploads();

    /// <summary>Copies to host memory after all that was queued before.</summary>
    public abstract void Download(void* to, long from, long bytes);

    /// <summary>Queues a copy within the device.</summary>
    public abstract void Copy(long to, long from, long bytes);

    public abstract void Synchronize();

    /// <summary>Compiles a kernel, or takes it from the cache; its <see cref="LaunchAttribute"/> gives its block.</summary>
    /// <param name="method">A static method over one block of threads, taking one plain struct.</param>
    public abstract Kernel<TArgs> Compile<TArgs>(Action<TArgs> method)
        where TArgs : unmanaged;

    /// <summary>Begins to record what is queued instead of running it.</summary>
    public abstract void BeginCapture();

    /// <summary>Ends the recording.</summary>
    public abstract Graph EndCapture();

    /// <summary>
    /// Median microseconds of what <paramref name="queue"/> queues: called once as it is, since it may compile and allocate, then recorded, and
    /// launched <paramref name="warm"/> and <paramref name="repeats"/> times.
    /// </summary>
    /// <exception cref="NotSupportedException"><see cref="TimedAs"/> is null.</exception>
    public virtual double Microseconds(Action queue, int repeats, int warm) => throw new NotSupportedException("times need a GPU");

    public abstract void Dispose();
}

/// <summary>A compiled kernel.</summary>
internal abstract class Kernel<TArgs>
    where TArgs : unmanaged
{
    /// <summary>Queues a launch.</summary>
    public abstract void Launch(in TArgs args, int x, int y = 1, int z = 1);
}

/// <summary>Recorded work that can be queued again at once.</summary>
internal abstract class Graph : IDisposable
{
    public abstract void Launch();

    public abstract void Dispose();
}
