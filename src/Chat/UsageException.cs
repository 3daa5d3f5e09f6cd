namespace WarpDecode.Chat;

/// <summary>The command line asks for something that cannot be.</summary>
internal sealed class UsageException(string message, string advice) : Exception(message)
{
    public string Advice { get; } = advice;
}
