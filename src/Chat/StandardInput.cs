using System.Text;

namespace WarpDecode.Chat;

/// <summary>
/// Standard input, read so that Ctrl-C need not wait for it: a thread in the background reads, and is left behind if need be.
/// </summary>
internal sealed class StandardInput
{
    private readonly TextReader lines;

    /// <summary>Lines of the terminal, or of a file or pipe as UTF-8.</summary>
    public StandardInput() => lines = IsTerminal ? Console.In : new StreamReader(Console.OpenStandardInput(), Encoding.UTF8, detectEncodingFromByteOrderMarks: false);

    /// <summary>Whether a person types.</summary>
    public static bool IsTerminal { get; } = !Console.IsInputRedirected;

    /// <summary>The next line, or null at the end.</summary>
    public Task<string?> ReadLineAsync(CancellationToken cancellation) => InBackground(lines.ReadLine, cancellation);

    /// <summary>All there is. Bytes that are not UTF-8 become U+FFFD; nothing else is changed.</summary>
    public static Task<string> ReadToEndAsync(CancellationToken cancellation) => InBackground(
        () =>
        {
            using var stdin = Console.OpenStandardInput();
            using var all = new MemoryStream();
            stdin.CopyTo(all);
            return Encoding.UTF8.GetString(all.GetBuffer().AsSpan(0, (int)all.Length));
        },
        cancellation);

    private static Task<T> InBackground<T>(Func<T> read, CancellationToken cancellation) => Task.Factory
        .StartNew(read, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).WaitAsync(cancellation);
}
