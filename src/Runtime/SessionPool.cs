namespace WarpDecode.Runtime;

/// <summary>
/// The sessions that requests without one of their own take turns with: as many as the engine was opened for, first come, first served. What a
/// session holds stays when it is given back, so that a request that goes on with an earlier one reads only what is new. Where requests part, the
/// session is forked: pages of the cache are shared. The one that was not used for the longest time makes room.
/// </summary>
/// <param name="engine">The engine.</param>
/// <param name="most">Most sessions at once.</param>
internal sealed class SessionPool(Engine engine, int most) : IDisposable
{
    private readonly Lock gate = new();
    private readonly List<Session> idle = []; // that not used for the longest time first
    private readonly LinkedList<Waiter> waiting = [];
    private int rented;
    private bool disposed;

    /// <summary>Sessions that requests have now, and requests that wait for one.</summary>
    public (int Rented, int Waiting) Count
    {
        get
        {
            lock (gate) return (rented, waiting.Count);
        }
    }

    /// <summary>Waits for a session that holds as much of a prompt as any that is free.</summary>
    /// <param name="prompt">Tokens of the prompt.</param>
    /// <param name="cancellation">Ends the waiting.</param>
    /// <exception cref="ObjectDisposedException">The engine was disposed.</exception>
    public async ValueTask<Rental> RentAsync(ReadOnlyMemory<int> prompt, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        Waiter waiter;
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, engine);
            if (rented < most && waiting.Count == 0) return Take(prompt.Span);
            waiter = new Waiter(prompt);
            waiting.AddLast(waiter);
        }
        using var registration = cancellation.Register(() =>
        {
            lock (gate)
            {
                if (!waiting.Remove(waiter)) return; // it has its session already, and sees for itself
            }
            waiter.Turn.TrySetCanceled(cancellation);
        });
        return await waiter.Turn.Task.ConfigureAwait(false);
    }

    /// <summary>
    /// One more session, if none is waited for and there is one without taking from a conversation what it holds; else null. For requests that go
    /// faster with several sessions than with the one that they waited for.
    /// </summary>
    public Rental? TryRentMore()
    {
        lock (gate) return !disposed && waiting.Count == 0 && rented + idle.Count < most ? Take([]) : null;
    }

    /// <summary>Gives sessions that nobody uses back to the cache, those not used for the longest time first, until so many tokens fit.</summary>
    public void MakeRoom(long tokens)
    {
        lock (gate) Shrink(tokens);
    }

    /// <summary>Gives the sessions that nobody uses back; who waits for one is told that there is none any more.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            foreach (var session in idle) session.Dispose();
            idle.Clear();
            foreach (var waiter in waiting) waiter.Turn.TrySetException(new ObjectDisposedException(nameof(Engine)));
            waiting.Clear();
        }
    }

    private Rental Take(ReadOnlySpan<int> prompt)
    {
        var (best, common) = (-1, 0);
        for (var i = idle.Count - 1; i >= 0; i--)
        {
            var length = idle[i].Tokens.CommonPrefixLength(prompt);
            if (length > common) (best, common) = (i, length);
        }
        Session session;
        if (best >= 0 && idle[best].Length == common)
        {
            session = idle[best]; // the prompt goes on where it ends
            idle.RemoveAt(best);
        }
        else if (rented + idle.Count < most)
        {
            session = best >= 0 ? idle[best].Fork() : engine.CreateSession();
        }
        else if (best >= 0 && idle.Count > 1)
        {
            session = idle[best].Fork();
            Drop(but: best);
        }
        else
        {
            session = idle[0]; // all that is not in use
            idle.RemoveAt(0);
        }
        session.Rewind(Math.Min(common, session.Length));
        Shrink(prompt.Length - common);
        rented++;
        return new Rental(this, session, common);
    }

    private void Return(Session session, bool isUsable)
    {
        lock (gate)
        {
            rented--;
            if (disposed || !isUsable || session.Length == 0) session.Dispose();
            else idle.Add(session);
            while (rented < most && waiting.First is { } next && !disposed)
            {
                waiting.RemoveFirst();
                try
                {
                    next.Value.Turn.SetResult(Take(next.Value.Prompt.Span));
                }
                catch (Exception e)
                {
                    next.Value.Turn.SetException(e); // it must not wait for ever
                }
            }
        }
    }

    private void Shrink(long tokens)
    {
        while (engine.FreeTokens < tokens && idle.Count > 0) Drop(but: -1);
    }

    private void Drop(int but)
    {
        var at = but == 0 ? 1 : 0;
        idle[at].Dispose();
        idle.RemoveAt(at);
    }

    private sealed class Waiter(ReadOnlyMemory<int> prompt)
    {
        public ReadOnlyMemory<int> Prompt { get; } = prompt;

        // Not on the thread that gives a session back: that one has its own to do.
        public TaskCompletionSource<Rental> Turn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>A session for one request.</summary>
    /// <param name="pool">Where it goes back to.</param>
    /// <param name="session">The session, with <paramref name="kept"/> tokens.</param>
    /// <param name="kept">How many of the prompt's tokens it held.</param>
    internal sealed class Rental(SessionPool pool, Session session, int kept) : IDisposable
    {
        private bool returned;

        public Session Session { get; } = session;

        public int Kept { get; } = kept;

        /// <summary>The request came to its end: what the session holds is kept.</summary>
        public void Keep() => Return(isUsable: true);

        /// <summary>It did not, and nothing of it is kept; no-op after <see cref="Keep"/>.</summary>
        public void Dispose()
        {
            if (returned) return;
            var isUsable = false;
            try
            {
                Session.Rewind(Math.Min(Kept, Session.Length));
                isUsable = true;
            }
            catch (ObjectDisposedException)
            {
                // The engine went away.
            }
            finally
            {
                Return(isUsable);
            }
        }

        private void Return(bool isUsable)
        {
            if (returned) return;
            returned = true;
            pool.Return(Session, isUsable);
        }
    }
}
