using System.Diagnostics.CodeAnalysis;

namespace WarpDecode.Kernels.Gpu;

/// <summary>
/// Whether the program was built with its GPU backend. The package's property WarpDecodeGpu turns it off, and the trimmer then knows that this is
/// false: kernels, ILGPU and all that reflects over them are left out.
/// </summary>
internal static class GpuSupport
{
    private const string Switch = "WarpDecode.Runtime.Gpu";

    /// <summary>Whether there is a GPU backend.</summary>
    [FeatureSwitchDefinition(Switch)]
    public static bool IsSupported => !AppContext.TryGetSwitch(Switch, out var on) || on;

    /// <summary>The error where there is none.</summary>
    public static GpuException Missing =>
        new("this program was built without the GPU backend (WarpDecodeGpu is false)", "Take the cpu backend, or publish the program without trimming and with WarpDecodeGpu.");
}
