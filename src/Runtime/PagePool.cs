using WarpDecode.Kernels;

namespace WarpDecode.Runtime;

/// <summary>
/// The pages of the key/value cache: who holds which. Pages are shared between forks and copied when one of them writes.
/// </summary>
internal sealed class PagePool
{
    private readonly IBackend backend;
    private readonly int[] holders;
    private readonly Stack<int> free;

    public PagePool(IBackend backend, KvCache cache)
    {
        this.backend = backend;
        Cache = cache;
        var pages = cache.Shape.Pages;
        holders = new int[pages];
        free = new Stack<int>(pages);
        for (var page = pages - 1; page >= 0; page--) free.Push(page);
    }

    public KvCache Cache { get; }

    public int PageTokens => Cache.Shape.PageTokens;

    /// <summary>Pages that nobody holds.</summary>
    public int Free => free.Count;

    public int Take()
    {
        if (!free.TryPop(out var page))
        {
            throw new ContextFullException(
                $"the cache of keys and values is full ({holders.Length} pages of {PageTokens} tokens): dispose a session, or open the engine with room for more");
        }
        holders[page] = 1;
        return page;
    }

    public bool IsShared(int page) => holders[page] > 1;

    public void Share(int page) => holders[page]++;

    public void Release(int page)
    {
        if (--holders[page] == 0) free.Push(page);
    }

    /// <summary>The page itself if only the caller holds it, else a copy of it.</summary>
    public int MakeOwn(int page)
    {
        if (holders[page] == 1) return page;
        var copy = Take();
        backend.CopyPage(Cache, page, copy);
        Release(page);
        return copy;
    }
}
