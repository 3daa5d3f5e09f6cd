namespace WarpDecode.Kernels;

/// <summary>There is no GPU, or its driver refused something: the message says what was attempted, on which device, and with how much memory.</summary>
public sealed class GpuException : Exception
{
    internal GpuException(string message, string? advice = null, Exception? inner = null)
        : base(message, inner) => Advice = advice;

    /// <summary>What the user can do.</summary>
    public string? Advice { get; }
}
