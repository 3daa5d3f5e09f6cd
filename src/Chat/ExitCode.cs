namespace WarpDecode.Chat;

/// <summary>What the program says to the shell. Scripts rely on these. Signals count from 128, as shells have it.</summary>
internal static class ExitCode
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int BadUsage = 2;
    public const int Interrupted = 130; // SIGINT
    public const int ReaderGone = 141; // SIGPIPE: what other tools end with in front of head
    public const int Terminated = 143; // SIGTERM
}
