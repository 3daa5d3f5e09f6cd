using System.Buffers;
using System.IO.Pipelines;
using System.Text;

namespace WarpDecode.Chat;

/// <summary>
/// Brings an answer's bytes to stdout as they come. To a terminal, control characters other than newline and tab are shown as
/// U+FFFD: a model's output must not steer the terminal. To a file or pipe the bytes go unchanged.
/// </summary>
internal sealed class AnswerWriter(bool keep = false) : IDisposable
{
    private readonly Stream stdout = Console.OpenStandardOutput();
    private readonly bool terminal = !Console.IsOutputRedirected;
    private readonly ArrayBufferWriter<byte>? kept = keep ? new ArrayBufferWriter<byte>() : null;
    private byte last = (byte)'\n';

    /// <summary>The answer so far, if it is kept.</summary>
    public string Text => Encoding.UTF8.GetString(kept!.WrittenSpan);

    public async Task CopyAsync(PipeReader reader)
    {
        while (true)
        {
            var read = await reader.ReadAsync();
            foreach (var segment in read.Buffer) Write(segment.Span);
            await stdout.FlushAsync();
            reader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted) break;
        }
        await reader.CompleteAsync();
    }

    /// <summary>On a terminal, ends the line if the answer did not.</summary>
    public void EndLine()
    {
        if (terminal && last != '\n') stdout.WriteByte((byte)'\n');
        stdout.Flush();
    }

    /// <summary>Ends the line, whatever the answer ended with.</summary>
    public void NewLine()
    {
        stdout.WriteByte((byte)'\n');
        stdout.Flush();
    }

    public void Dispose() => stdout.Dispose();

    private void Write(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) return;
        last = bytes[^1];
        kept?.Write(bytes);
        if (!terminal)
        {
            stdout.Write(bytes);
            return;
        }
        while (bytes.Length > 0)
        {
            var bad = IndexOfControl(bytes, out var length);
            if (bad < 0)
            {
                stdout.Write(bytes);
                return;
            }
            stdout.Write(bytes[..bad]);
            stdout.Write("\uFFFD"u8);
            bytes = bytes[(bad + length)..];
        }
    }

    // C0 controls and DEL are one byte; C1 controls (U+0080 to U+009F) are C2 80 … C2 9F. The pipe holds whole characters only,
    // but a segment may end within one: a lone C2 at its end is passed, for no continuation of it alone is a control to a UTF-8 terminal.
    private static int IndexOfControl(ReadOnlySpan<byte> bytes, out int length)
    {
        for (var i = 0; i < bytes.Length; i++)
        {
            length = 1;
            if ((bytes[i] < 0x20 && bytes[i] is not ((byte)'\n' or (byte)'\t')) || bytes[i] == 0x7F) return i;
            length = 2;
            if (bytes[i] == 0xC2 && i + 1 < bytes.Length && bytes[i + 1] is >= 0x80 and <= 0x9F) return i;
        }
        length = 0;
        return -1;
    }
}
