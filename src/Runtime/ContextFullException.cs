namespace WarpDecode.Runtime;

/// <summary>A session, or the cache that all sessions share, has no room for more tokens.</summary>
public sealed class ContextFullException : InvalidOperationException
{
    internal ContextFullException(string message)
        : base(message)
    {
    }
}
