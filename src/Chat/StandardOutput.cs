using System.Text;
using Microsoft.Win32.SafeHandles;

namespace WarpDecode.Chat;

/// <summary>Standard output as bytes, and as text in UTF-8 whatever the locale says.</summary>
internal static class StandardOutput
{
    /// <summary>The bytes' way out, unbuffered.</summary>
    public static Stream Stream { get; } = Open();

    /// <summary>Makes Console.Out and Console.Error write UTF-8.</summary>
    public static void UseUtf8()
    {
        if (OperatingSystem.IsWindows()) Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        Console.SetOut(new StreamWriter(Stream) { AutoFlush = true });
        Console.SetError(new StreamWriter(Console.OpenStandardError()) { AutoFlush = true });
    }

    /// <summary>
    /// Whether a failure says that nobody reads our output any more, as in <c>wd-run … | head</c>.
    /// </summary>
    public static bool IsBrokenPipe(Exception e)
    {
        const int EPIPE = 32; // on Linux and macOS
        return !OperatingSystem.IsWindows() && e is IOException { HResult: EPIPE };
    }

    // The console's own stream keeps silent when the reader of a pipe has gone, and a long answer would be computed for nobody.
    private static Stream Open()
    {
        if (!OperatingSystem.IsWindows() && Console.IsOutputRedirected)
        {
            try
            {
                var pipe = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
                if (!pipe.CanSeek) return pipe;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
            {
                // Closed, or something that is no file: the console's stream knows what to do.
            }
        }
        return Console.OpenStandardOutput();
    }
}
