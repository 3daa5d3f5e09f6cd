namespace WarpDecode.Runtime.Evaluation;

/// <summary>
/// Log-likelihoods of choices, several items at once: their contexts are read together, then the choices of all of them, each in a fork
/// of its context.
/// </summary>
internal sealed class ChoiceBatch(Engine engine, EvalPlan plan, ContextCache contexts)
{
    // A longer context fills steps of its own, by the backend's kernels for prompts. Only its own length decides, so that the results do
    // not depend on what it is batched with.
    private const int ShortContext = 64;

    /// <summary>Scores the items in order; each result is given as it is finished.</summary>
    public void Run(IEnumerable<int> items, Action<ItemResult> finished, CancellationToken cancellation)
    {
        var group = new List<Item>();
        var choices = 0;
        try
        {
            foreach (var index in items)
            {
                var item = new Item(index, plan.Prompts[index].Choices!);
                if (group.Count > 0 && choices + item.Choices.Length > plan.Options.Batch)
                {
                    Score(group, finished, cancellation);
                    choices = 0;
                }
                group.Add(item);
                choices += item.Choices.Length;
            }
            if (group.Count > 0) Score(group, finished, cancellation);
        }
        finally
        {
            foreach (var item in group) item.Context?.Dispose();
        }
    }

    // One item may have more choices than a batch takes: then they go in several.
    private void Score(List<Item> group, Action<ItemResult> finished, CancellationToken cancellation)
    {
        ReadContexts(group, cancellation);
        var open = new List<(Item Item, int Choice, Session Session)>();
        try
        {
            foreach (var item in group)
            {
                for (var i = 0; i < item.Choices.Length; i++)
                {
                    if (item.Choices[i].Length == 1) continue; // the context's logits said all
                    if (open.Count == plan.Options.Batch) Read(open, cancellation);
                    open.Add((item, i, item.Context!.Fork()));
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
                if (!double.IsFinite(score)) throw new ModelOutputException($"a choice has the log-likelihood {score}");
            }
            finished(new ItemResult(item.Index, item.Scores));
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
            for (var i = 0; i < item.Choices.Length; i++) item.Scores[i] = logits[item.Choices[i][0]] - sum;
        }
    }

    /// <summary>Reads the open choices but for their last tokens, and adds up what their logits say of the next ones.</summary>
    private void Read(List<(Item Item, int Choice, Session Session)> open, CancellationToken cancellation)
    {
        Piece[] pieces = [.. open.Select(one => new Piece(one.Session, one.Item.Choices[one.Choice].AsMemory(0, one.Item.Choices[one.Choice].Length - 1)))];
        engine.Append(
            pieces,
            (piece, position, logits) =>
            {
                var (item, choice, _) = open[piece];
                item.Scores[choice] += logits[item.Choices[choice][position - item.Context!.Length + 1]] - LogSoftmax.FiniteLogSumExp(logits);
            },
            cancellation);
        foreach (var (_, _, session) in open) session.Dispose();
        open.Clear();
    }

    private sealed class Item(int index, int[][] choices)
    {
        public int Index => index;

        public int[][] Choices => choices;

        public double[] Scores { get; } = new double[choices.Length];

        public Session? Context { get; set; }
    }
}
