using System.Buffers;
using System.Text;
using WarpDecode.Runtime.Sampling;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>
/// Generates greedy answers, several at once: each step decodes one token of every open answer, and an answer that ends makes room
/// for the next item.
/// </summary>
internal sealed class AnswerBatch
{
    private readonly Engine engine;
    private readonly EvalPlan plan;
    private readonly ContextCache contexts;
    private readonly Sampler greedy;

    public AnswerBatch(Engine engine, EvalPlan plan, ContextCache contexts)
    {
        this.engine = engine;
        this.plan = plan;
        this.contexts = contexts;
        greedy = new Sampler(new SamplerOptions { Temperature = 0 }, engine.Vocabulary); // greedy has no state: one for all
    }

    /// <summary>Answers the items; each result is given as it is finished.</summary>
    public void Run(IEnumerable<int> items, Action<ItemResult> finished, CancellationToken cancellation)
    {
        using var waiting = items.GetEnumerator();
        var open = new List<Answer>(plan.Options.Batch);
        var sessions = new Session[plan.Options.Batch];
        var tokens = new int[plan.Options.Batch];
        try
        {
            while (true)
            {
                while (open.Count < plan.Options.Batch && waiting.MoveNext())
                {
                    cancellation.ThrowIfCancellationRequested();
                    open.Add(new Answer(waiting.Current, plan, contexts.Read(waiting.Current, cancellation)));
                    if (Take(open[^1], finished)) open.RemoveAt(open.Count - 1);
                }
                if (open.Count == 0) return;
                cancellation.ThrowIfCancellationRequested();
                for (var i = 0; i < open.Count; i++) (sessions[i], tokens[i]) = (open[i].Session, open[i].Next);
                engine.Decode(sessions.AsSpan(0, open.Count), tokens.AsSpan(0, open.Count));
                open.RemoveAll(answer => Take(answer, finished));
            }
        }
        finally
        {
            foreach (var answer in open) answer.Session.Dispose();
        }
    }

    /// <summary>Takes the likeliest token into an answer; says whether the answer ended with it.</summary>
    private bool Take(Answer answer, Action<ItemResult> finished)
    {
        int token;
        try
        {
            token = greedy.Sample(answer.Session);
        }
        catch (InvalidOperationException e) when (e is not ObjectDisposedException)
        {
            throw new ModelOutputException(e.Message, e);
        }
        if (answer.Accept(token) is not { } finish) return false;
        answer.Session.Dispose();
        finished(answer.Result(finish));
        return true;
    }

    private sealed class Answer
    {
        private readonly int index;
        private readonly Tokenizer tokenizer;
        private readonly StopMatcher stops;
        private readonly int most;
        private readonly ArrayBufferWriter<byte> text = new(256);
        private int count;

        public Answer(int index, EvalPlan plan, Session session)
        {
            this.index = index;
            Session = session;
            tokenizer = plan.Tokenizer;
            stops = new StopMatcher(plan.Task.Items[index].Stop);
            most = plan.MaxTokens(index);
        }

        public Session Session { get; }

        /// <summary>The token to decode next.</summary>
        public int Next { get; private set; }

        public FinishReason? Accept(int token)
        {
            Next = token;
            count++;
            if (tokenizer.EndOfTurn.Contains(token)) return FinishReason.EndOfTurn;
            // A table padded beyond the tokenizer's tokens can give an id without text.
            if (token < tokenizer.Count && !tokenizer.IsControl(token) && stops.Write(tokenizer.Bytes(token), text)) return FinishReason.StopString;
            if (count == most) return FinishReason.MaxTokens;
            return Session.Length == Session.ContextLength ? FinishReason.ContextFull : null;
        }

        public ItemResult Result(FinishReason finish)
        {
            stops.Flush(text);
            return new ItemResult(index, null, Encoding.UTF8.GetString(text.WrittenSpan), count, finish);
        }
    }
}
