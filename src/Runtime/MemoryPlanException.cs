namespace WarpDecode.Runtime;

/// <summary>What was asked for does not fit in the host's memory; the message has the plan.</summary>
public sealed class MemoryPlanException : InvalidOperationException
{
    internal MemoryPlanException(string message)
        : base(message)
    {
    }
}
