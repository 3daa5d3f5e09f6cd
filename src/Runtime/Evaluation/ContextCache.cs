namespace WarpDecode.Runtime.Evaluation;

/// <summary>
/// Reads the contexts of items. What all items of a category begin with (a prefix, examples) is computed once and forked from;
/// the last category's is kept, since task files mostly go category by category.
/// </summary>
internal sealed class ContextCache : IDisposable
{
    private readonly Engine engine;
    private readonly EvalPlan plan;
    private Session? root;
    private string? category;

    public ContextCache(Engine engine, EvalPlan plan) => (this.engine, this.plan) = (engine, plan);

    /// <summary>A session that has read the item's context; the caller's to dispose.</summary>
    public Session Read(int index, CancellationToken cancellation)
    {
        var session = Begin(index, cancellation);
        try
        {
            session.Append(Rest(index).Span, cancellation);
            return session;
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>A session that has read what the item's context shares with others; the caller's to dispose.</summary>
    public Session Begin(int index, CancellationToken cancellation) =>
        plan.Prompts[index].Shared == 0 ? engine.CreateSession() : Root(index, cancellation).Fork();

    /// <summary>What the item's context has of its own: at least one token.</summary>
    public ReadOnlyMemory<int> Rest(int index) => plan.Prompts[index].Context.AsMemory(plan.Prompts[index].Shared);

    public void Dispose() => root?.Dispose();

    private Session Root(int index, CancellationToken cancellation)
    {
        if (root is not null && category == plan.Task.Items[index].Category) return root;
        root?.Dispose();
        root = engine.CreateSession();
        category = plan.Task.Items[index].Category;
        try
        {
            root.Append(plan.Prompts[index].Context.AsSpan(0, plan.Prompts[index].Shared), cancellation);
            return root;
        }
        catch
        {
            root.Dispose();
            root = null;
            throw;
        }
    }
}
