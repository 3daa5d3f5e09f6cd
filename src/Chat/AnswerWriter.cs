using System.Text;

namespace WarpDecode.Chat;

/// <summary>
/// Brings an answer's bytes to stdout as they come. To a terminal, control characters other than newline and tab are shown as
/// U+FFFD: a model's output must not steer the terminal. To a file or pipe the bytes go unchanged.
/// </summary>
internal sealed class AnswerWriter(Stream stdout, bool terminal)
{
    private const byte C1Lead = 0xC2; // C1 controls, U+0080 to U+009F, are C2 80 … C2 9F

    private byte last = (byte)'\n';
    private bool leadHeld; // a C1Lead at the end of what was written, kept until the next byte tells what it is

    /// <summary>A writer to this program's stdout.</summary>
    public AnswerWriter()
        : this(StandardOutput.Stream, !Console.IsOutputRedirected)
    {
    }

    /// <summary>On a terminal, ends the line if the answer did not.</summary>
    public void EndLine()
    {
        if (terminal && last != '\n') stdout.WriteByte((byte)'\n');
    }

    /// <summary>Ends a line that was begun.</summary>
    public void BreakLine()
    {
        if (last != '\n') Write("\n"u8);
    }

    /// <summary>Sets the answer apart from the next: in a file always with a newline, on a terminal if there is none.</summary>
    public void EndAnswer()
    {
        if (!terminal || last != '\n') stdout.WriteByte((byte)'\n');
    }

    /// <summary>Writes text.</summary>
    public void Write(string text) => Write(Encoding.UTF8.GetBytes(text));

    /// <summary>Writes a piece, which may end within a character.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) return;
        last = bytes[^1];
        if (!terminal)
        {
            stdout.Write(bytes);
            return;
        }
        if (leadHeld)
        {
            leadHeld = false;
            if (bytes[0] is >= 0x80 and <= 0x9F)
            {
                stdout.Write("\uFFFD"u8);
                bytes = bytes[1..];
            }
            else
            {
                stdout.WriteByte(C1Lead);
            }
        }
        if (bytes is [.., C1Lead])
        {
            leadHeld = true;
            bytes = bytes[..^1];
        }
        while (IndexOfControl(bytes, out var length) is >= 0 and var bad)
        {
            stdout.Write(bytes[..bad]);
            stdout.Write("\uFFFD"u8);
            bytes = bytes[(bad + length)..];
        }
        stdout.Write(bytes);
    }

    private static int IndexOfControl(ReadOnlySpan<byte> bytes, out int length)
    {
        for (var i = 0; i < bytes.Length; i++)
        {
            length = 1;
            if ((bytes[i] < 0x20 && bytes[i] is not ((byte)'\n' or (byte)'\t')) || bytes[i] == 0x7F) return i;
            length = 2;
            if (bytes[i] == C1Lead && i + 1 < bytes.Length && bytes[i + 1] is >= 0x80 and <= 0x9F) return i;
        }
        length = 0;
        return -1;
    }
}
