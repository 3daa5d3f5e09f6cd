using System.Buffers;
using System.Text;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// Makes well-formed UTF-8 of bytes that arrive in any pieces, as those of tokens do: only whole characters come out, the
/// beginning of one is held back until the rest is there. Bytes that are no UTF-8 become U+FFFD, one for each maximal subpart
/// (Unicode standard, section 3.9), the same wherever the pieces were cut. Allocates nothing after construction.
/// </summary>
internal sealed class Utf8Stream
{
    private readonly byte[] held = new byte[4];
    private int heldCount;

    /// <summary>Bytes held back: the beginning of a character.</summary>
    internal int Held => heldCount;

    /// <summary>Takes the next bytes and writes the characters that are complete with them.</summary>
    public void Write(ReadOnlySpan<byte> bytes, IBufferWriter<byte> to)
    {
        ArgumentNullException.ThrowIfNull(to);
        while (heldCount > 0 && bytes.Length > 0)
        {
            held[heldCount] = bytes[0];
            var status = Rune.DecodeFromUtf8(held.AsSpan(0, heldCount + 1), out _, out _);
            if (status == OperationStatus.InvalidData)
            {
                // What was held can have no continuation here: it is one subpart, and the new byte begins afresh.
                Replace(to);
                heldCount = 0;
                break;
            }
            heldCount++;
            bytes = bytes[1..];
            if (status != OperationStatus.Done) continue;
            to.Write(held.AsSpan(0, heldCount));
            heldCount = 0;
        }

        var good = 0; // length of the well-formed beginning of bytes
        while (good < bytes.Length)
        {
            var status = Rune.DecodeFromUtf8(bytes[good..], out _, out var consumed);
            if (status == OperationStatus.Done)
            {
                good += consumed;
                continue;
            }
            if (good > 0) to.Write(bytes[..good]);
            bytes = bytes[good..];
            good = 0;
            if (status == OperationStatus.NeedMoreData)
            {
                bytes.CopyTo(held);
                heldCount = bytes.Length;
                return;
            }
            Replace(to);
            bytes = bytes[consumed..];
        }
        if (good > 0) to.Write(bytes[..good]);
    }

    /// <summary>Ends the text: a character that was begun and not completed becomes U+FFFD.</summary>
    public void Flush(IBufferWriter<byte> to)
    {
        ArgumentNullException.ThrowIfNull(to);
        if (heldCount > 0) Replace(to);
        heldCount = 0;
    }

    /// <summary>Forgets what is held back, for a new text.</summary>
    public void Reset() => heldCount = 0;

    private static void Replace(IBufferWriter<byte> to) => to.Write("\uFFFD"u8);
}
