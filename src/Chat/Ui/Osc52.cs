using System.Text;

namespace WarpDecode.Chat.Ui;

/// <summary>The sequence by which a program asks its terminal to put text on the clipboard, which works over ssh too.</summary>
internal static class Osc52
{
    /// <summary>Bytes of text at most: many terminals take 100,000 bytes of the sequence and drop longer ones without a word.</summary>
    public const int MaxBytes = 74_994;

    /// <summary>The sequence for a text; null if the text is too long for terminals.</summary>
    public static string? Sequence(string text)
    {
        if (text.Length > MaxBytes || Encoding.UTF8.GetByteCount(text) > MaxBytes) return null;
        return $"\u001b]52;c;{Convert.ToBase64String(Encoding.UTF8.GetBytes(text))}\a";
    }
}
