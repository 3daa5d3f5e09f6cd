namespace WarpDecode.Kernels.Gpu.Device;

/// <summary>The driver refused something: the message says what was attempted, on which device, and with how much memory.</summary>
public sealed class GpuException(string message, string? advice = null, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What the user can do.</summary>
    public string? Advice { get; } = advice;
}
