namespace WarpDecode.Runtime;

/// <summary>A model computed something that no token can be chosen by, NaN for example.</summary>
public sealed class ModelOutputException : Exception
{
    internal ModelOutputException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
