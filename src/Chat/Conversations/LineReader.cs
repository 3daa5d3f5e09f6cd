namespace WarpDecode.Chat.Conversations;

/// <summary>Lines of a file as bytes, none longer than a limit.</summary>
/// <param name="stream">The file, read from where it stands.</param>
/// <param name="longest">Most bytes of a line.</param>
internal sealed class LineReader(Stream stream, int longest)
{
    private byte[] buffer = new byte[64 * 1024];
    private int start;
    private int end;
    private int searched;

    /// <summary>Where the line that was read last begins in the file.</summary>
    public long Offset { get; private set; }

    /// <summary>Number of the line that was read last, from 1 on.</summary>
    public int Number { get; private set; }

    /// <summary>Whether the line that was read last has no end.</summary>
    public bool Torn { get; private set; }

    /// <summary>The next line without its end, valid until the next call; null after the last.</summary>
    /// <exception cref="InvalidDataException">The line is too long.</exception>
    public ReadOnlyMemory<byte>? Next()
    {
        while (true)
        {
            var found = buffer.AsSpan(start + searched, end - start - searched).IndexOf((byte)'\n');
            if (found >= 0) return Take(searched + found, 1);
            searched = end - start;
            if (searched > longest)
            {
                Number++;
                throw new InvalidDataException($"the line is longer than {longest} bytes");
            }
            if (start > 0)
            {
                buffer.AsSpan(start, searched).CopyTo(buffer);
                (start, end) = (0, searched);
            }
            if (end == buffer.Length) Array.Resize(ref buffer, checked(buffer.Length * 2));
            var read = stream.Read(buffer, end, buffer.Length - end);
            if (read > 0) end += read;
            else if (searched == 0) return null;
            else return Take(searched, 0);
        }
    }

    private ReadOnlyMemory<byte> Take(int length, int ending)
    {
        Number++;
        Offset = position;
        if (length > longest) throw new InvalidDataException($"the line is longer than {longest} bytes");
        var line = buffer.AsMemory(start, length);
        position += length + ending;
        start += length + ending;
        searched = 0;
        Torn = ending == 0;
        return line;
    }

    private long position = stream.CanSeek ? stream.Position : 0;
}
