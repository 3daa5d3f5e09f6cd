using WarpDecode.Runtime.Quantization;

namespace WarpDecode.Chat;

/// <summary>Says how far a quantization is.</summary>
internal sealed class QuantizeProgressLine : IProgress<QuantizeProgress>
{
    private readonly StatusLine line = new(TimeSpan.FromSeconds(0.3));

    public void Report(QuantizeProgress value)
    {
        if (line.IsDue) line.Show($"quantizing: {100.0 * value.Done / value.Total:F0} %, {Printable(value.Tensor)}{line.Left(value.Done, value.Total)}");
    }

    /// <summary>Takes the line away, if there is one.</summary>
    public void Clear() => line.Clear();

    // A tensor's name is the file's: it may not drive the terminal.
    private static string Printable(string name) => string.Concat(name.Take(60).Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '?'));
}
