namespace WarpDecode.Runtime.Text;

/// <summary>Text that is appended at one end and taken from the other.</summary>
internal sealed class TextWindow
{
    private char[] buffer = new char[256];
    private int start;
    private int end;

    public ReadOnlySpan<char> Span => buffer.AsSpan(start, end - start);

    public int Length => end - start;

    public void Append(ReadOnlySpan<char> text)
    {
        if (buffer.Length - end < text.Length)
        {
            // At least half is moved away or added, so that each character moves a few times at most.
            var needed = checked(Length + text.Length);
            var larger = needed > buffer.Length / 2 ? new char[Math.Max(needed, (int)Math.Min(2L * buffer.Length, Array.MaxLength))] : buffer;
            Span.CopyTo(larger);
            (buffer, start, end) = (larger, 0, Length);
        }
        text.CopyTo(buffer.AsSpan(end));
        end += text.Length;
    }

    public void Take(int count)
    {
        start += count;
        if (start == end) start = end = 0;
    }
}
