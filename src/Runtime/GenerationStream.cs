using System.Runtime.CompilerServices;
using System.Text;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime;

/// <summary>An answer as a stream of pieces.</summary>
internal static class GenerationStream
{
    /// <summary>Generates, and gives what is there each time. Whoever stops reading ends the answer, and is let go when the session is free.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled; the session is free, and holds what was computed.</exception>
    public static async IAsyncEnumerable<GenerationUpdate> ReadAsync(
        Session session, Tokenizer tokenizer, int[] prompt, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var log = new TokenLog();
        var answer = Generation.Start(session, tokenizer, prompt, options, log, cancellation);
        await using (answer.ConfigureAwait(false))
        {
            var decoder = Encoding.UTF8.GetDecoder();
            var characters = new char[256];
            var text = new StringBuilder();
            var total = 0L;
            while (true)
            {
                // Without the token: a reader that is cancelled would leave its answer running.
                var read = await answer.Output.ReadAsync(CancellationToken.None).ConfigureAwait(false);
                foreach (var segment in read.Buffer)
                {
                    for (var bytes = segment.Span; !bytes.IsEmpty;)
                    {
                        decoder.Convert(bytes, characters, flush: false, out var used, out var count, out _);
                        text.Append(characters, 0, count);
                        bytes = bytes[used..];
                    }
                }
                total += read.Buffer.Length;
                answer.Output.AdvanceTo(read.Buffer.End);
                cancellation.ThrowIfCancellationRequested();
                if (read.IsCompleted) break;
                yield return new GenerationUpdate(text.ToString(), log.Take(total, isOver: false), null);
                text.Clear();
            }
            var result = await answer.Completion.ConfigureAwait(false);
            cancellation.ThrowIfCancellationRequested();
            yield return new GenerationUpdate(text.ToString(), log.Take(total, isOver: true), result);
        }
    }
}
