namespace WarpDecode.Runtime.Evaluation;

/// <summary>
/// Log-likelihoods of choices, several items at once: their contexts are read together, then the choices of all of them, each in a fork
/// of its context.
/// </summary>
/// <param name="engine">The model.</param>
/// <param name="prompts">The items.</param>
/// <param name="batch">Most choices read at once.</param>
/// <param name="contexts">Sessions of what items begin with.</param>
/// <param name="room">Pages of the engine's cache that contexts and choices may take, but for what <paramref name="contexts"/> keeps.</param>
internal sealed class ChoiceBatch(Engine engine, Prompt[] prompts, int batch, ContextCache contexts, int room = int.MaxValue)
{
    // A longer context fills steps of its own, by the backend's kernels for prompts. Only its own length decides, so that the results do
    // not depend on what it is batched with.
    private const int ShortContext = 64;

    /// <summary>Scores the items in order; each one's scores are given as it is finished.</summary>
    public void Run(IEnumerable<int> items, Action<int, ContinuationScore[]> finished, CancellationToken cancellation)
    {
        var group = new List<Item>();
        var (choices, pages) = (0, 0);
        try
        {
            foreach (var index in items)
            {
                var item = new Item(index, prompts[index]);
                if (group.Count > 0 && (choices + item.Scores.Length > batch || pages + item.AllPages > room))
                {
                    Score(group, finished, cancellation);
                    (choices, pages) = (0, 0);
                }
                group.Add(item);
                (choices, pages) = (choices + item.Scores.Length, pages + item.AllPages);
            }
            if (group.Count > 0) Score(group, finished, cancellation);
        }
        finally
        {
            foreach (var item in group) item.Context?.Dispose();
        }
    }

    // One item may have more choices than a batch takes, or the cache has room for: then they go in several.
    private void Score(List<Item> group, Action<int, ContinuationScore[]> finished, CancellationToken cancellation)
    {
        ReadContexts(group, cancellation);
        var open = new List<(Item Item, int Choice, Session Session)>();
        var left = room - group.Sum(item => item.ContextPages);
        try
        {
            var pages = 0;
            foreach (var item in group)
            {
                for (var i = 0; i < item.Choices.Length; i++)
                {
                    if (item.Choices[i].Length == 1) continue; // the context's logits said all
                    if (open.Count == batch || (open.Count > 0 && pages + item.PagesOf(i) > left))
                    {
                        Read(open, cancellation);
                        pages = 0;
                    }
                    // Where there is no room for a fork beside the context, the context itself reads the choice, and forgets it.
                    open.Add((item, i, item.PagesOf(i) > left ? item.Context! : item.Context!.Fork()));
                    pages += item.PagesOf(i);
                }
            }
            Read(open, cancellation);
        }
        finally
        {
            foreach (var (_, _, session) in open) session.Dispose();
        }
        foreach (var item in group)
        {
            item.Context!.Dispose();
            foreach (var score in item.Scores)
            {
                if (!double.IsFinite(score.LogProbability)) throw new ModelOutputException($"a choice has the log-likelihood {score.LogProbability}");
            }
            finished(item.Index, item.Scores);
        }
        group.Clear();
    }

    private void ReadContexts(List<Item> group, CancellationToken cancellation)
    {
        var together = new List<Piece>();
        foreach (var item in group)
        {
            cancellation.ThrowIfCancellationRequested();
            item.Context = contexts.Begin(item.Index, cancellation);
            var rest = contexts.Rest(item.Index);
            if (rest.Length <= ShortContext) together.Add(new Piece(item.Context, rest));
            else item.Context.Append(rest.Span, cancellation);
        }
        engine.Append([.. together], null, cancellation);
        foreach (var item in group)
        {
            var logits = item.Context!.Logits;
            var sum = LogSoftmax.FiniteLogSumExp(logits);
            var likeliest = LogSoftmax.ArgMax(logits);
            foreach (var score in item.Scores) score.Take(0, logits, sum, likeliest);
        }
    }

    /// <summary>Reads the open choices but for their last tokens, and adds up what their logits say of the next ones.</summary>
    private void Read(List<(Item Item, int Choice, Session Session)> open, CancellationToken cancellation)
    {
        var lengths = open.Select(one => one.Item.Context!.Length).ToArray();
        Piece[] pieces = [.. open.Select(one => new Piece(one.Session, one.Item.Choices[one.Choice].AsMemory(0, one.Item.Choices[one.Choice].Length - 1)))];
        engine.Append(
            pieces,
            (piece, position, logits) =>
            {
                var (item, choice, _) = open[piece];
                item.Scores[choice].Take(position - lengths[piece] + 1, logits, LogSoftmax.FiniteLogSumExp(logits), LogSoftmax.ArgMax(logits));
            },
            cancellation);
        for (var i = 0; i < open.Count; i++)
        {
            if (open[i].Session == open[i].Item.Context) open[i].Session.Rewind(lengths[i]);
            else open[i].Session.Dispose();
        }
        open.Clear();
    }

    private sealed class Item(int index, Prompt prompt)
    {
        public int Index => index;

        public int[][] Choices => prompt.Choices!;

        public ContinuationScore[] Scores { get; } = [.. prompt.Choices!.Select(tokens => new ContinuationScore(tokens))];

        public Session? Context { get; set; }

        /// <summary>Pages of the cache that the context takes beside what it shares with others.</summary>
        public int ContextPages => Engine.PagesOf(prompt.Context.Length) - (prompt.Shared / Engine.PageTokens);

        /// <summary>Pages that reading all choices at once takes, with the context.</summary>
        public int AllPages => ContextPages + Enumerable.Range(0, Choices.Length).Sum(PagesOf);

        /// <summary>Pages that a fork of the context takes to read a choice: new ones, and one for a copy of a page that is begun.</summary>
        public int PagesOf(int choice) => Choices[choice].Length == 1 ? 0
            : Engine.PagesOf(prompt.Context.Length + Choices[choice].Length - 1) - (prompt.Context.Length / Engine.PageTokens);
    }
}
