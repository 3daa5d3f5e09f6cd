using System.Buffers;
using System.Globalization;
using System.Text;
using WarpDecode.Chat.Conversations;

namespace WarpDecode.Chat.Ui;

/// <summary>Text files and long texts as pieces of a message.</summary>
internal static class Attachment
{
    /// <summary>Most bytes of a file: more is more than any context holds.</summary>
    public const int MaxFileBytes = 4 << 20;

    private static readonly SearchValues<char> LanguageLetters = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+#");

    /// <summary>A pasted text with more lines than this is one piece.</summary>
    public const int LongLines = 10;

    /// <summary>A pasted text with more characters than this is one piece.</summary>
    public const int LongText = 2048;

    /// <summary>Whether a text is better shown as one piece.</summary>
    public static bool IsLong(string text) => text.Length > LongText || text.AsSpan().Count('\n') >= LongLines;

    /// <summary>A long text as one piece.</summary>
    public static Chip Pasted(string text) => new(
        text.AsSpan().TrimEnd('\n').Count('\n') + 1 is > 1 and var lines
            ? string.Create(CultureInfo.InvariantCulture, $"[pasted {lines} lines]")
            : string.Create(CultureInfo.InvariantCulture, $"[pasted {text.Length} characters]"),
        text);

    /// <summary>Reads a text file as one piece: its name, and its text in a code block.</summary>
    /// <exception cref="CommandException">It is not there, no text, or too large.</exception>
    public static Chip File(string path)
    {
        var shown = ConversationTree.OneLine(path, 200);
        byte[] bytes;
        try
        {
            var full = Path.GetFullPath(DataFolder.Expand(path));
            if (Directory.Exists(full)) throw new CommandException($"'{shown}' is a folder", "Attach one file of it; Tab completes its name.");
            if (!System.IO.File.Exists(full)) throw new CommandException($"there is no file '{shown}'", "Tab completes paths; quotes keep spaces together.");
            // Devices and pipes have no length; they may never end, and a pipe would wait for its writer when it is opened.
            var plain = System.IO.File.ResolveLinkTarget(full, returnFinalTarget: true) as FileInfo ?? new FileInfo(full);
            if (plain.Length == 0) throw new CommandException($"'{shown}' is empty, or no plain file", "Attach a file with something in it.");
            using var stream = System.IO.File.OpenRead(full);
            if (stream.Length > MaxFileBytes)
                throw new CommandException($"'{shown}' has {InWords(stream.Length)}, a file may have {InWords(MaxFileBytes)}", "Attach the part of it that matters.");
            bytes = new byte[stream.Length];
            bytes = bytes[..stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new CommandException($"'{shown}' cannot be read: {ConversationTree.OneLine(e.Message, 300)}", "Check the path and that you may read it.");
        }
        var zero = Array.IndexOf(bytes, (byte)0);
        if (zero >= 0) throw new CommandException($"'{shown}' is no text: byte 0 at offset {zero}", "Only text files in UTF-8 can be attached.");
        string text;
        try
        {
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes.AsSpan(3) : bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new CommandException($"'{shown}' is no UTF-8 at offset {Math.Max(0, e.Index)}", "Save it as UTF-8, or convert it: iconv -t UTF-8.");
        }
        var name = ConversationTree.OneLine(Path.GetFileName(path), 80);
        text = text.ReplaceLineEndings("\n");
        var (longest, run) = (0, 0);
        foreach (var c in text) longest = Math.Max(longest, run = c == '`' ? run + 1 : 0);
        var fence = new string('`', Math.Max(3, longest + 1));
        var language = Path.GetExtension(name) is { Length: > 1 and < 12 } extension && extension.AsSpan(1).IndexOfAnyExcept(LanguageLetters) < 0 ? extension[1..] : "";
        return new Chip($"[{name}, {InWords(bytes.Length)}]", $"{name}:\n{fence}{language}\n{text.TrimEnd('\n')}\n{fence}\n", IsFile: true);
    }

    /// <summary>A file's size: <c>21 bytes</c>, <c>3.2 kB</c>, <c>4.2 MB</c>.</summary>
    internal static string InWords(long bytes) => bytes switch
    {
        < 1000 => $"{bytes} bytes",
        < 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e3:F1} kB"),
        < 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:F1} MB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:F2} GB"),
    };
}
