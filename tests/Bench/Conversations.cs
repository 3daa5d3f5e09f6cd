using System.Diagnostics;
using System.Globalization;
using System.Text;
using WarpDecode.Kernels;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.Bench;

/// <summary>What several conversations at once give.</summary>
/// <param name="Count">Conversations.</param>
/// <param name="TokensPerSecond">Of all of them together.</param>
/// <param name="TokensPerStep">How many shared a step, on average.</param>
/// <param name="Equal">Whether each had the tokens, and after the last the logits, that it has alone, bit for bit.</param>
internal sealed record ConversationsRow(int Count, Rates TokensPerSecond, double TokensPerStep, bool Equal);

/// <summary>
/// Several conversations that decode at the same time on one engine, each in a thread of its own with a prompt of its own, as requests of an
/// application do: greedy tokens through the queue that puts them into common steps.
/// </summary>
internal static class Conversations
{
    /// <summary>Measures.</summary>
    /// <param name="engine">An engine for as many sessions as the largest count.</param>
    /// <param name="counts">How many conversations at once.</param>
    /// <param name="promptTokens">Tokens of each prompt.</param>
    /// <param name="tokens">Tokens that each decodes.</param>
    /// <param name="repeats">How often each count is measured, after a run that is not.</param>
    public static List<ConversationsRow> Measure(Engine engine, IReadOnlyList<int> counts, int promptTokens, int tokens, int repeats)
    {
        var most = counts.Max();
        var prompts = Enumerable.Range(0, most).Select(i => Prompt(engine, i, promptTokens)).ToArray();
        var alone = prompts.Select(prompt => Run(engine, [prompt], tokens).Answers[0]).ToArray();
        var rows = new List<ConversationsRow>();
        foreach (var count in counts)
        {
            var (rates, equal, before) = (new Rates(), true, engine.Decoded);
            for (var repeat = 0; repeat <= repeats; repeat++)
            {
                var (answers, seconds) = Run(engine, prompts[..count], tokens);
                if (repeat > 0) rates.Add(count * tokens / seconds);
                for (var i = 0; i < count; i++) equal &= answers[i].Tokens.AsSpan().SequenceEqual(alone[i].Tokens) && Bits(answers[i].Logits).SequenceEqual(Bits(alone[i].Logits));
            }
            var (steps, decoded) = (engine.Decoded.Steps - before.Steps, engine.Decoded.Tokens - before.Tokens);
            rows.Add(new ConversationsRow(count, rates, (double)decoded / steps, equal));
        }
        return rows;
    }

    public static string Table(IReadOnlyList<ConversationsRow> rows)
    {
        var table = new StringBuilder("| conversations | tokens/s together (least..most) | times one | tokens a step | same bits as alone |\n|---|---|---|---|---|\n");
        foreach (var row in rows)
        {
            table.Append(CultureInfo.InvariantCulture,
                $"| {row.Count} | {row.TokensPerSecond} | {row.TokensPerSecond.Median / rows[0].TokensPerSecond.Median:F2} | {row.TokensPerStep:F1} | {(row.Equal ? "yes" : "NO")} |\n");
        }
        return table.ToString();
    }

    private static ReadOnlySpan<int> Bits(float[] values) => System.Runtime.InteropServices.MemoryMarshal.Cast<float, int>(values);

    private static int[] Prompt(Engine engine, int conversation, int tokens)
    {
        var random = new Random(conversation);
        return [.. Enumerable.Range(0, tokens).Select(_ => random.Next(engine.Vocabulary))];
    }

    private static ((int[] Tokens, float[] Logits)[] Answers, double Seconds) Run(Engine engine, int[][] prompts, int tokens)
    {
        var answers = new (int[] Tokens, float[] Logits)[prompts.Length];
        using var ready = new Barrier(prompts.Length + 1);
        var failures = new List<Exception>();
        var threads = prompts.Select((prompt, i) => new Thread(() =>
        {
            try
            {
                answers[i] = Decode(engine, prompt, tokens, ready);
            }
            catch (Exception e)
            {
                lock (failures) failures.Add(e);
                ready.RemoveParticipant();
            }
        })).ToArray();
        foreach (var thread in threads) thread.Start();
        ready.SignalAndWait();
        var start = Stopwatch.GetTimestamp();
        foreach (var thread in threads) thread.Join();
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return failures.Count == 0 ? (answers, seconds) : throw new AggregateException(failures);
    }

    private static (int[] Tokens, float[] Logits) Decode(Engine engine, int[] prompt, int tokens, Barrier ready)
    {
        using var session = engine.CreateSession();
        session.Append(prompt.AsSpan(..^1));
        var answer = new int[tokens];
        Span<TopLogit> best = stackalloc TopLogit[1];
        var next = prompt[^1];
        session.JoinDecoding();
        ready.SignalAndWait();
        for (var i = 0; i < tokens; i++)
        {
            session.Append([next]);
            next = answer[i] = session.TryTop(best) ? best[0].Id : Likeliest(session.Logits);
        }
        session.LeaveDecoding();
        return (answer, session.Logits.ToArray());
    }

    private static int Likeliest(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var id = 1; id < logits.Length; id++)
        {
            if (logits[id] > logits[best]) best = id;
        }
        return best;
    }
}
