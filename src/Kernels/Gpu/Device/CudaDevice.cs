using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace WarpDecode.Kernels.Gpu.Device;

/// <summary>An NVIDIA GPU through its driver, from compute capability 7.5: our own launches, copies and graphs on one stream.</summary>
internal sealed unsafe class CudaDevice : GpuDevice
{
    private const long SmallUpload = 4 << 20; // not worth threads
    private const long RegisteredPiece = 256 << 20; // small pieces are registered slower
    private const int PageBytes = 4096;

    [ThreadStatic]
    private static nint current;

    private readonly int device;
    private readonly nint context;
    private readonly nint stream;
    private readonly nint uploaded;
    private readonly string name;
    private readonly string hardware;
    private readonly CubinCache cache;
    private readonly List<nint> modules = [];
    private readonly Dictionary<long, (string Purpose, long Bytes)> allocations = [];
    private readonly (int Major, int Minor) capability;
    private readonly int driverVersion;
    private Ptx? ptx;
    private Uploader? uploader;
    private bool disposed;

    private CudaDevice(int ordinal, string? cacheFolder)
    {
        hardware = "the GPU";
        Check(Driver.cuDeviceGet(out device, ordinal), $"opening GPU {ordinal}");
        var text = stackalloc byte[128];
        Check(Driver.cuDeviceGetName(text, 128, device), $"asking for the name of GPU {ordinal}");
        name = Encoding.UTF8.GetString(System.Runtime.InteropServices.MemoryMarshal.CreateReadOnlySpanFromNullTerminated(text));
        capability = (Attribute(75), Attribute(76));
        hardware = $"{name} (sm_{capability.Major}{capability.Minor})";
        if (capability.Major * 10 + capability.Minor < 75)
            throw new GpuException($"{hardware} is too old: compute capability 7.5 or newer is needed", "Use --backend cpu.");
        Multiprocessors = Attribute(16);
        Check(Driver.cuDriverGetVersion(out driverVersion), "asking for the driver's version");
        Check(Driver.cuDevicePrimaryCtxRetain(out context, device), "creating a context");
        Enter();
        Check(Driver.cuStreamCreate(out stream, Driver.StreamNonBlocking), "creating a stream");
        Check(Driver.cuEventCreate(out uploaded, Driver.EventNoTiming), "creating an event");
        TimedAs = $"{hardware}, driver {driverVersion}";
        cache = new CubinCache(cacheFolder ?? CubinCache.DefaultFolder, TimedAs);
    }

    public override string Name => name;

    public override string TimedAs { get; }

    public override string Description
    {
        get
        {
            var (free, total) = Memory();
            return string.Create(CultureInfo.InvariantCulture,
                $"{name}, sm_{capability.Major}{capability.Minor}, {Multiprocessors} multiprocessors, {free / 1e9:F1} of {total / 1e9:F1} GB free, CUDA {driverVersion / 1000}.{driverVersion % 1000 / 10}");
        }
    }

    public override int Multiprocessors { get; }

    /// <summary>Threads that copy weights; few of them leave it to the driver.</summary>
    public int UploadThreads { get; init; } = Environment.ProcessorCount;

    public override long FreeBytes => Memory().Free;

    public override int Capability => (capability.Major * 10) + capability.Minor;

    public override bool HasGraphs => true;

    public override bool HasTiles => capability.Major >= 8;

    /// <summary>The stream, for measurements with events.</summary>
    public nint Stream => stream;

    /// <summary>Opens a GPU.</summary>
    /// <exception cref="GpuException">There is no driver or no device; the message says which.</exception>
    public static CudaDevice Open(int ordinal = 0, string? cacheFolder = null)
    {
        const string advice = "Use --backend cpu, or install NVIDIA's driver.";
        if (!GpuSupport.IsSupported) throw GpuSupport.Missing;
        if (!Driver.IsInstalled) throw new GpuException($"no NVIDIA driver: {Driver.FileName} cannot be loaded", advice);
        var error = Driver.cuInit(0);
        if (error != 0) throw new GpuException($"the NVIDIA driver does not start: {Driver.NameOf(error)}", advice);
        error = Driver.cuDeviceGetCount(out var count);
        if (error != 0 || count == 0) throw new GpuException("the NVIDIA driver finds no GPU", "Use --backend cpu, or check nvidia-smi and CUDA_VISIBLE_DEVICES.");
        if (ordinal >= count) throw new GpuException($"there is no GPU {ordinal}: the driver finds {count}", "Choose another, or check CUDA_VISIBLE_DEVICES.");
        return new CudaDevice(ordinal, cacheFolder);
    }

    /// <summary>Whether <see cref="Open"/> would find a device.</summary>
    public static bool IsPresent => Driver.IsInstalled && Driver.cuInit(0) == 0 && Driver.cuDeviceGetCount(out var count) == 0 && count > 0;

    public override void Enter()
    {
        if (current == context) return;
        Check(Driver.cuCtxSetCurrent(context), "entering the context");
        current = context;
    }

    public override long Allocate(long bytes, string purpose)
    {
        var size = (nuint)Math.Max(bytes, 256);
        var what = string.Create(CultureInfo.InvariantCulture, $"allocating {bytes / 1e6:N1} MB for {purpose}");
        var error = Driver.cuMemAlloc(out var address, size);
        if (error != 0)
        {
            var held = allocations.Values.GroupBy(a => a.Purpose).Select(g => (g.Key, Bytes: g.Sum(a => a.Bytes))).OrderByDescending(g => g.Bytes)
                .Select(g => string.Create(CultureInfo.InvariantCulture, $"{g.Key} {g.Bytes / 1e6:N0} MB"));
            throw Failure(error, $"{what} (held by us: {string.Join(", ", held)})", "Use a shorter context (-c), a smaller model or a smaller weight type.");
        }
        allocations.Add(address, (purpose, bytes));
        Check(Driver.cuMemsetD8Async(address, 0, size, stream), $"zeroing {bytes} bytes for {purpose}");
        return address;
    }

    public override void Free(long address)
    {
        if (!allocations.Remove(address)) return;
        Enter();
        Check(Driver.cuMemFree(address), "freeing memory");
    }

    public override byte* AllocatePinned(long bytes)
    {
        Check(Driver.cuMemHostAlloc(out var memory, (nuint)bytes, 0), $"allocating {bytes} bytes of pinned host memory");
        return memory;
    }

    public override void FreePinned(byte* memory)
    {
        if (memory is not null) Check(Driver.cuMemFreeHost(memory), "freeing pinned host memory");
    }

    public override void Upload(long to, void* from, long bytes)
    {
        // The zeroing of the target is queued on our stream, which the default stream's copies do not wait for.
        Check(Driver.cuMemcpyHtoDAsync(to, from, (nuint)bytes, stream), $"copying {bytes} bytes to the device");
        Synchronize();
    }

    public override void UploadMapped(long to, byte* from, long bytes)
    {
        if (bytes < SmallUpload)
        {
            Upload(to, from, bytes);
            return;
        }
        if (uploader is null && UploadThreads >= Uploader.LeastThreads) uploader = new Uploader(this, stream, Math.Min(UploadThreads, Uploader.MostThreads));
        if (uploader is not null) uploader.Copy(to, from, bytes);
        else CopyRegistered(to, from, bytes);
    }

    public override void EndUploads()
    {
        if (uploader is null) return;
        Synchronize();
        uploader.Dispose();
        uploader = null;
    }

    public override void UploadPinned(long to, byte* from, long bytes)
    {
        Check(Driver.cuMemcpyHtoDAsync(to, from, (nuint)bytes, stream), $"copying {bytes} bytes to the device");
        Check(Driver.cuEventRecord(uploaded, stream), "recording an event");
    }

    public override void WaitForUploads() => Check(Driver.cuEventSynchronize(uploaded), "waiting for a copy");

    public override void Download(void* to, long from, long bytes)
    {
        Check(Driver.cuMemcpyDtoHAsync(to, from, (nuint)bytes, stream), $"copying {bytes} bytes from the device");
        Synchronize();
    }

    public override void Copy(long to, long from, long bytes) =>
        Check(Driver.cuMemcpyDtoDAsync(to, from, (nuint)bytes, stream), $"copying {bytes} bytes on the device");

    public override void Synchronize() => Check(Driver.cuStreamSynchronize(stream), "running the queued kernels");

    public override Kernel<TArgs> Compile<TArgs>(Action<TArgs> method)
    {
        var bounds = LaunchBounds.Of(method.Method);
        Enter();
        var label = $"{method.Method.DeclaringType!.Name}.{method.Method.Name}<{string.Join(", ", method.Method.GetGenericArguments().Select(t => t.Name))}>";
        // Not the PTX but what it is made from: its text depends on what was compiled before, and a hit needs no ILGPU at all.
        var key = $"{method.Method.Module.ModuleVersionId} {typeof(ILGPU.Context).Module.ModuleVersionId} {method.Method.DeclaringType.FullName} {method.Method} {bounds}";
        var (entry, cubin) = cache.GetOrAdd(key, () =>
        {
            ptx ??= new Ptx(capability.Major, capability.Minor);
            var (text, name) = ptx.Compile(method.Method, bounds);
            return (name, Link(text, label));
        });
        nint module;
        fixed (byte* image = cubin) Check(Driver.cuModuleLoadData(out module, image), $"loading kernel {label}");
        modules.Add(module);
        Check(Driver.cuModuleGetFunction(out var function, module, entry), $"finding kernel {label}");
        return new CudaKernel<TArgs>(this, function, label, bounds);
    }

    public override void BeginCapture() => Check(Driver.cuStreamBeginCapture(stream, Driver.CaptureRelaxed), "beginning to record a graph");

    public override Graph EndCapture()
    {
        Check(Driver.cuStreamEndCapture(stream, out var graph), "ending the recording of a graph");
        var error = Driver.cuGraphInstantiateWithFlags(out var executable, graph, 0);
        _ = Driver.cuGraphDestroy(graph);
        Check(error, "preparing a recorded graph");
        return new CudaGraph(this, executable);
    }

    public override double Microseconds(Action queue, int repeats, int warm)
    {
        queue();
        Synchronize();
        BeginCapture();
        queue();
        using var graph = EndCapture();
        Check(Driver.cuEventCreate(out var begin, 0), "creating an event");
        Check(Driver.cuEventCreate(out var end, 0), "creating an event");
        var times = new double[repeats];
        for (var i = -warm; i < repeats; i++)
        {
            Check(Driver.cuEventRecord(begin, stream), "recording an event");
            graph.Launch();
            Check(Driver.cuEventRecord(end, stream), "recording an event");
            Check(Driver.cuEventSynchronize(end), "waiting for an event");
            Check(Driver.cuEventElapsedTime(out var milliseconds, begin, end), "reading an event");
            if (i >= 0) times[i] = milliseconds * 1000.0;
        }
        _ = Driver.cuEventDestroy(begin);
        _ = Driver.cuEventDestroy(end);
        Array.Sort(times);
        return times[repeats / 2];
    }

    public override void Dispose()
    {
        if (disposed) return;
        disposed = true;
        Enter();
        _ = Driver.cuStreamSynchronize(stream);
        uploader?.Dispose();
        foreach (var address in allocations.Keys) _ = Driver.cuMemFree(address);
        allocations.Clear();
        foreach (var module in modules) _ = Driver.cuModuleUnload(module);
        _ = Driver.cuEventDestroy(uploaded);
        _ = Driver.cuStreamDestroy(stream);
        ptx?.Dispose();
        current = 0;
        _ = Driver.cuDevicePrimaryCtxRelease(device);
    }

    internal void Check(int error, string attempted)
    {
        if (error != 0) throw Failure(error, attempted, null);
    }

    internal void Check(int error, [InterpolatedStringHandlerArgument(nameof(error))] ref AttemptText attempted)
    {
        if (error != 0) throw Failure(error, attempted.ToString(), null);
    }

    private GpuException Failure(int error, string attempted, string? advice)
    {
        var (free, total) = context == 0 ? (0, 0) : Memory();
        var memory = total == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"; {free / 1e9:F1} of {total / 1e9:F1} GB are free");
        return new GpuException($"{attempted} failed on {hardware}: {Driver.NameOf(error)}{memory}", advice);
    }

    private (long Free, long Total) Memory()
    {
        if (current != context && Driver.cuCtxSetCurrent(context) == 0) current = context;
        return Driver.cuMemGetInfo(out var free, out var total) == 0 ? ((long)free, (long)total) : (0, 0);
    }

    private int Attribute(int attribute)
    {
        Check(Driver.cuDeviceGetAttribute(out var value, attribute, device), $"asking for attribute {attribute}");
        return value;
    }

    /// <summary>
    /// Copies straight from the memory map, the next piece being registered while one is copied. Whole pages inside the range are registered,
    /// so that neighbours in the file never register the same page; what is left at both ends is copied plainly, and so is
    /// everything where the system cannot register a map.
    /// </summary>
    private void CopyRegistered(long to, byte* from, long bytes)
    {
        var start = (byte*)(((nuint)from + PageBytes - 1) & ~(nuint)(PageBytes - 1));
        var end = (byte*)((nuint)(from + bytes) & ~(nuint)(PageBytes - 1));
        if (start != from) Upload(to, from, start - from);
        byte* pending = null;
        var at = start;
        while (true)
        {
            var size = Math.Min(RegisteredPiece, end - at);
            var error = size == 0 ? 0 : Driver.cuMemHostRegister(at, (nuint)size, Driver.HostRegisterReadOnly);
            if (pending is not null)
            {
                Synchronize();
                Check(Driver.cuMemHostUnregister(pending), "unregistering a part of the memory map");
            }
            if (size == 0 || error != 0) break;
            pending = at;
            Check(Driver.cuMemcpyHtoDAsync(to + (at - from), at, (nuint)size, stream), $"copying {size} bytes of weights to the device");
            at += size;
        }
        if (at != from + bytes) Upload(to + (at - from), at, from + bytes - at);
    }

    /// <summary>From PTX to machine code, by the driver's own compiler.</summary>
    private byte[] Link(string text, string label)
    {
        const int logBytes = 8192;
        var log = stackalloc byte[logBytes];
        log[0] = 0;
        var options = stackalloc int[2] { 5, 6 }; // error log buffer, its size
        var values = stackalloc void*[2] { log, (void*)logBytes };
        Check(Driver.cuLinkCreate(2, options, values, out var state), $"compiling kernel {label}");
        try
        {
            var source = Encoding.ASCII.GetBytes(text + "\0");
            int error;
            fixed (byte* data = source) error = Driver.cuLinkAddData(state, Driver.InputPtx, data, (nuint)source.Length, null, 0, null, null);
            byte* cubin = null;
            nuint bytes = 0;
            if (error == 0) error = Driver.cuLinkComplete(state, out cubin, out bytes);
            if (error != 0)
            {
                var said = Encoding.UTF8.GetString(System.Runtime.InteropServices.MemoryMarshal.CreateReadOnlySpanFromNullTerminated(log)).Trim();
                throw Failure(error, $"compiling kernel {label} ({said})", "The driver may be too old: CUDA 11.8 or newer is needed.");
            }
            return new ReadOnlySpan<byte>(cubin, checked((int)bytes)).ToArray();
        }
        finally
        {
            _ = Driver.cuLinkDestroy(state);
        }
    }

    private sealed class CudaKernel<TArgs>(CudaDevice device, nint function, string label, LaunchBounds bounds) : Kernel<TArgs>
        where TArgs : unmanaged
    {
        private readonly bool early = bounds.Dependent && device.capability.Major >= 9;

        public override void Launch(in TArgs args, int x, int y = 1, int z = 1)
        {
            var attribute = new LaunchAttributeValue { Id = Driver.LaunchProgrammaticSerialization, Value = 1 };
            var config = new LaunchConfig
            {
                GridX = (uint)x,
                GridY = (uint)y,
                GridZ = (uint)z,
                BlockX = (uint)bounds.Threads,
                BlockY = 1,
                BlockZ = 1,
                Stream = device.stream,
                Attributes = &attribute,
                AttributeCount = early ? 1u : 0u,
            };
            fixed (TArgs* pointer = &args)
            {
                void* parameter = pointer;
                var error = Driver.cuLaunchKernelEx(&config, function, &parameter, null);
                if (error != 0) device.Check(error, $"launching {label} over {x} × {y} × {z} blocks");
            }
        }
    }

    private sealed class CudaGraph(CudaDevice device, nint executable) : Graph
    {
        public override void Launch()
        {
            var error = Driver.cuGraphLaunch(executable, device.stream);
            if (error != 0) device.Check(error, "launching a recorded graph");
        }

        public override void Dispose() => _ = Driver.cuGraphExecDestroy(executable);
    }
}

/// <summary>What was attempted, put into words only if it failed: a steady step allocates nothing.</summary>
[InterpolatedStringHandler]
internal ref struct AttemptText
{
    private DefaultInterpolatedStringHandler text;

    public AttemptText(int literalLength, int formattedCount, int error, out bool failed)
    {
        failed = error != 0;
        text = failed ? new DefaultInterpolatedStringHandler(literalLength, formattedCount, CultureInfo.InvariantCulture) : default;
    }

    public void AppendLiteral(string value) => text.AppendLiteral(value);

    public void AppendFormatted<T>(T value) => text.AppendFormatted(value);

    public override string ToString() => text.ToStringAndClear();
}
