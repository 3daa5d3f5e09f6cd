namespace WarpDecode.Runtime.Evaluation;

/// <summary>
/// Reads the contexts of items. What all items of a category begin with (a prefix, examples) is computed once and forked from;
/// the last category's is kept, since task files mostly go category by category.
/// </summary>
internal sealed class ContextCache : IDisposable
{
    private readonly Engine engine;
    private readonly Prompt[] prompts;
    private Session? root;
    private string? category;

    public ContextCache(Engine engine, Prompt[] prompts) => (this.engine, this.prompts) = (engine, prompts);

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
        prompts[index].Shared == 0 ? engine.CreateSession() : Root(index, cancellation).Fork();

    /// <summary>What the item's context has of its own: at least one token.</summary>
    public ReadOnlyMemory<int> Rest(int index) => prompts[index].Context.AsMemory(prompts[index].Shared);

    public void Dispose() => root?.Dispose();

    private Session Root(int index, CancellationToken cancellation)
    {
        if (root is not null && category == prompts[index].Category) return root;
        root?.Dispose();
        root = engine.CreateSession();
        category = prompts[index].Category;
        try
        {
            root.Append(prompts[index].Context.AsSpan(0, prompts[index].Shared), cancellation);
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
