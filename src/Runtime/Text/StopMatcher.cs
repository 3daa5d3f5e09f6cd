using System.Buffers;
using System.Text;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// Ends a stream of bytes before the first stop string in it, however the stream is cut into pieces. Bytes that could be the
/// beginning of a stop string are held back until that is decided. Allocates nothing after construction.
/// </summary>
/// <remarks>
/// The stop string that is complete first wins; of several complete at the same byte the longest. Put it before
/// <see cref="Utf8Stream"/>: stop strings are whole characters, so what is held back or cut off is, too.
/// </remarks>
internal sealed class StopMatcher
{
    // Knuth, Morris and Pratt: matched[i] bytes at the end of the stream are the beginning of stops[i]. So nothing needs a buffer:
    // the bytes held back are stops[holder][..held], for the longest such beginning.
    private readonly string[] texts;
    private readonly byte[][] stops;
    private readonly int[][] shorter; // [stop][n]: the next shorter beginning that also ends the first n + 1 bytes
    private readonly int[] matched;
    private int holder;
    private int held;

    /// <summary>A matcher for these strings; with none, every byte passes.</summary>
    /// <exception cref="ArgumentException">A stop string is empty.</exception>
    public StopMatcher(IEnumerable<string> stopStrings)
    {
        ArgumentNullException.ThrowIfNull(stopStrings);
        texts = [.. stopStrings.Distinct(StringComparer.Ordinal)];
        if (texts.Any(string.IsNullOrEmpty)) throw new ArgumentException("a stop string must not be empty", nameof(stopStrings));
        stops = [.. texts.Select(Encoding.UTF8.GetBytes)];
        shorter = [.. stops.Select(Borders)];
        matched = new int[stops.Length];
    }

    /// <summary>The stop string that was met, or null.</summary>
    public string? Stop { get; private set; }

    /// <summary>Takes the next bytes and writes those that no stop string can contain any more.</summary>
    /// <returns>Whether a stop string was met, now or before; nothing after it is ever written.</returns>
    public bool Write(ReadOnlySpan<byte> bytes, IBufferWriter<byte> to)
    {
        ArgumentNullException.ThrowIfNull(to);
        if (Stop is not null) return true;
        if (stops.Length == 0)
        {
            to.Write(bytes);
            return false;
        }
        var plain = 0; // while nothing is held, bytes[plain..i] are decided and not yet written
        for (var i = 0; i < bytes.Length; i++)
        {
            var (longest, met) = Advance(bytes[i]);
            var still = longest < 0 ? 0 : matched[longest];
            if (held == 0)
            {
                if (still == 0) continue;
                to.Write(bytes[plain..i]);
            }
            else
            {
                // Of the held bytes and this one, all before the longest beginning are decided; a stop met is the longest.
                var decided = held + 1 - (met >= 0 ? stops[met].Length : still);
                to.Write(stops[holder].AsSpan(0, Math.Min(held, decided)));
                if (still == 0) plain = i;
            }
            if (met >= 0)
            {
                Stop = texts[met];
                return true;
            }
            holder = longest;
            held = still;
        }
        if (held == 0) to.Write(bytes[plain..]);
        return false;
    }

    /// <summary>Ends the stream: writes what is still held back, for it was no stop string after all.</summary>
    public void Flush(IBufferWriter<byte> to)
    {
        ArgumentNullException.ThrowIfNull(to);
        if (Stop is null && held > 0) to.Write(stops[holder].AsSpan(0, held));
        held = 0;
        Array.Clear(matched);
    }

    /// <summary>Begins a new stream.</summary>
    public void Reset()
    {
        Stop = null;
        held = 0;
        Array.Clear(matched);
    }

    private static int[] Borders(byte[] stop)
    {
        var borders = new int[stop.Length];
        for (var n = 1; n < stop.Length; n++)
        {
            var length = borders[n - 1];
            while (length > 0 && stop[length] != stop[n]) length = borders[length - 1];
            borders[n] = stop[length] == stop[n] ? length + 1 : 0;
        }
        return borders;
    }

    // The stop with the longest beginning after this byte (or -1), and the longest that is complete (or -1).
    private (int Longest, int Met) Advance(byte value)
    {
        var (longest, met) = (-1, -1);
        for (var s = 0; s < stops.Length; s++)
        {
            var stop = stops[s];
            var length = matched[s];
            while (length > 0 && stop[length] != value) length = shorter[s][length - 1];
            if (stop[length] == value) length++;
            matched[s] = length;
            if (length > 0 && (longest < 0 || length > matched[longest])) longest = s;
            if (length == stop.Length && (met < 0 || length > stops[met].Length)) met = s;
        }
        return (longest, met);
    }
}
