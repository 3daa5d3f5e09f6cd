using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.InteropServices;

namespace WarpDecode.Kernels.Gpu.Device;

/// <summary>The part of the CUDA driver's interface that we use. Every function returns 0 or an error for <see cref="NameOf"/>.</summary>
[SuppressMessage("Naming", "IDE1006", Justification = "the driver's own names")]
internal static unsafe partial class Driver
{
    public const int HostRegisterReadOnly = 8;
    public const int StreamNonBlocking = 1;
    public const int EventNoTiming = 2;
    public const int CaptureRelaxed = 2;
    public const int InputPtx = 1;
    public const int LaunchProgrammaticSerialization = 6;

    private const string Library = "cuda";

    static Driver() => NativeLibrary.SetDllImportResolver(typeof(Driver).Assembly, Resolve);

    /// <summary>File name of the driver's library on this system.</summary>
    public static string FileName => OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";

    /// <summary>Whether the driver is installed.</summary>
    public static bool IsInstalled => NativeLibrary.TryLoad(FileName, out _);

    /// <summary>An error as the driver's headers name it, with its meaning.</summary>
    public static string NameOf(int error)
    {
        var name = cuGetErrorName(error, out var n) == 0 ? Marshal.PtrToStringUTF8(n) : "unknown error";
        var meaning = cuGetErrorString(error, out var s) == 0 ? $", {Marshal.PtrToStringUTF8(s)}" : "";
        return $"{name} ({error}{meaning})";
    }

    [LibraryImport(Library)]
    public static partial int cuGetErrorName(int error, out nint text);

    [LibraryImport(Library)]
    public static partial int cuGetErrorString(int error, out nint text);

    [LibraryImport(Library)]
    public static partial int cuInit(uint flags);

    [LibraryImport(Library)]
    public static partial int cuDriverGetVersion(out int version);

    [LibraryImport(Library)]
    public static partial int cuDeviceGetCount(out int count);

    [LibraryImport(Library)]
    public static partial int cuDeviceGet(out int device, int ordinal);

    [LibraryImport(Library)]
    public static partial int cuDeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library)]
    public static partial int cuDeviceGetAttribute(out int value, int attribute, int device);

    [LibraryImport(Library)]
    public static partial int cuDevicePrimaryCtxRetain(out nint context, int device);

    [LibraryImport(Library, EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
    public static partial int cuDevicePrimaryCtxRelease(int device);

    [LibraryImport(Library)]
    public static partial int cuCtxSetCurrent(nint context);

    [LibraryImport(Library, EntryPoint = "cuMemGetInfo_v2")]
    public static partial int cuMemGetInfo(out nuint free, out nuint total);

    [LibraryImport(Library, EntryPoint = "cuMemAlloc_v2")]
    public static partial int cuMemAlloc(out long address, nuint bytes);

    [LibraryImport(Library, EntryPoint = "cuMemFree_v2")]
    public static partial int cuMemFree(long address);

    [LibraryImport(Library)]
    public static partial int cuMemHostAlloc(out byte* memory, nuint bytes, uint flags);

    [LibraryImport(Library)]
    public static partial int cuMemFreeHost(byte* memory);

    [LibraryImport(Library, EntryPoint = "cuMemHostRegister_v2")]
    public static partial int cuMemHostRegister(void* memory, nuint bytes, uint flags);

    [LibraryImport(Library)]
    public static partial int cuMemHostUnregister(void* memory);

    [LibraryImport(Library, EntryPoint = "cuMemcpyHtoD_v2")]
    public static partial int cuMemcpyHtoD(long to, void* from, nuint bytes);

    [LibraryImport(Library, EntryPoint = "cuMemcpyHtoDAsync_v2")]
    public static partial int cuMemcpyHtoDAsync(long to, void* from, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoHAsync_v2")]
    public static partial int cuMemcpyDtoHAsync(void* to, long from, nuint bytes, nint stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoDAsync_v2")]
    public static partial int cuMemcpyDtoDAsync(long to, long from, nuint bytes, nint stream);

    [LibraryImport(Library)]
    public static partial int cuMemsetD8Async(long to, byte value, nuint count, nint stream);

    [LibraryImport(Library)]
    public static partial int cuStreamCreate(out nint stream, uint flags);

    [LibraryImport(Library)]
    public static partial int cuStreamSynchronize(nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamDestroy_v2")]
    public static partial int cuStreamDestroy(nint stream);

    [LibraryImport(Library)]
    public static partial int cuEventCreate(out nint created, uint flags);

    [LibraryImport(Library)]
    public static partial int cuEventRecord(nint recorded, nint stream);

    [LibraryImport(Library)]
    public static partial int cuEventSynchronize(nint recorded);

    [LibraryImport(Library)]
    public static partial int cuEventElapsedTime(out float milliseconds, nint start, nint end);

    [LibraryImport(Library, EntryPoint = "cuEventDestroy_v2")]
    public static partial int cuEventDestroy(nint recorded);

    [LibraryImport(Library, EntryPoint = "cuLinkCreate_v2")]
    public static partial int cuLinkCreate(uint count, int* options, void** values, out nint state);

    [LibraryImport(Library, EntryPoint = "cuLinkAddData_v2")]
    public static partial int cuLinkAddData(nint state, int type, byte* data, nuint bytes, byte* name, uint count, int* options, void** values);

    [LibraryImport(Library)]
    public static partial int cuLinkComplete(nint state, out byte* cubin, out nuint bytes);

    [LibraryImport(Library)]
    public static partial int cuLinkDestroy(nint state);

    [LibraryImport(Library)]
    public static partial int cuModuleLoadData(out nint module, byte* image);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int cuModuleGetFunction(out nint function, nint module, string name);

    [LibraryImport(Library)]
    public static partial int cuModuleUnload(nint module);

    [LibraryImport(Library)]
    public static partial int cuFuncGetAttribute(out int value, int attribute, nint function);

    [LibraryImport(Library)]
    public static partial int cuLaunchKernelEx(LaunchConfig* config, nint function, void** parameters, void** extra);

    [LibraryImport(Library, EntryPoint = "cuStreamBeginCapture_v2")]
    public static partial int cuStreamBeginCapture(nint stream, int mode);

    [LibraryImport(Library)]
    public static partial int cuStreamEndCapture(nint stream, out nint graph);

    [LibraryImport(Library)]
    public static partial int cuGraphInstantiateWithFlags(out nint executable, nint graph, ulong flags);

    [LibraryImport(Library)]
    public static partial int cuGraphLaunch(nint executable, nint stream);

    [LibraryImport(Library)]
    public static partial int cuGraphExecDestroy(nint executable);

    [LibraryImport(Library)]
    public static partial int cuGraphDestroy(nint graph);

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) => name == Library ? NativeLibrary.Load(FileName) : 0;
}

/// <summary>CUlaunchConfig.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct LaunchConfig
{
    public uint GridX;
    public uint GridY;
    public uint GridZ;
    public uint BlockX;
    public uint BlockY;
    public uint BlockZ;
    public uint SharedBytes;
    public nint Stream;
    public LaunchAttributeValue* Attributes;
    public uint AttributeCount;
}

/// <summary>CUlaunchAttribute: its value is a union of 64 bytes.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal struct LaunchAttributeValue
{
    [FieldOffset(0)]
    public int Id;

    [FieldOffset(8)]
    public int Value;
}
