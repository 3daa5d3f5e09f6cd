using WarpDecode.Kernels;

namespace WarpDecode.Runtime;

/// <content>What only measurements need.</content>
public sealed partial class Engine
{
    /// <summary>
    /// Makes an empty session stand at a length: keys and values of the first page are computed, those of the others are copies of it.
    /// Each has memory of its own, so that reading them takes as long as if all were computed.
    /// </summary>
    /// <param name="session">An empty session.</param>
    /// <param name="length">Tokens that it then has.</param>
    /// <param name="first">Tokens of the first page, at most as many as count.</param>
    internal void Stand(Session session, int length, ReadOnlySpan<int> first)
    {
        if (session.Length != 0) throw new ArgumentException($"the session has {session.Length} tokens", nameof(session));
        if (length == 0) return;
        session.Append(first[..Math.Min(length, PageTokens)]);
        if (length <= PageTokens) return;
        lock (steps)
        {
            Forget(session);
            var rest = new int[length - PageTokens];
            CheckRoom(session, rest);
            var from = session.Pages[0];
            session.Reserve(pages, length);
            foreach (var page in session.Pages[1..]) backend.CopyPage(pages.Cache, from, page);
            session.Push(rest);
        }
    }

    /// <summary>Appends one token to each of several sessions as <see cref="Decode"/> does, without logits, and counts the experts that were read.</summary>
    /// <returns>Different experts in each layer.</returns>
    internal int[] CountExperts(ReadOnlySpan<Session> sessions, ReadOnlySpan<int> tokens)
    {
        lock (steps)
        {
            Prepare(sessions, tokens);
            // A head for fewer than all makes a step that no backend replays from a recording, so that the routes are seen.
            var counts = Counted(sessions.Length, rows.AsSpan(0, sessions.Length > 1 ? 1 : 0));
            for (var i = 0; i < sessions.Length; i++) sessions[i].Push(tokens.Slice(i, 1));
            return counts;
        }
    }

    /// <summary>Appends a prompt as <see cref="Session.Append(ReadOnlySpan{int}, CancellationToken)"/> does, without logits, and counts the experts that its steps read.</summary>
    /// <returns>For each step the different experts in each layer.</returns>
    internal IReadOnlyList<int[]> CountExperts(Session session, ReadOnlySpan<int> prompt)
    {
        var counts = new List<int[]>();
        lock (steps)
        {
            CheckRoom(session, prompt);
            while (prompt.Length > 0)
            {
                var count = Math.Min(prompt.Length, step.Capacity);
                session.Reserve(pages, session.Length + count);
                step.Clear();
                step.AddSequence(session.Pages);
                for (var i = 0; i < count; i++) step.AddToken(prompt[i], session.Length + i);
                Forget(session);
                counts.Add(Counted(count, []));
                session.Push(prompt[..count]);
                prompt = prompt[count..];
            }
        }
        return counts;
    }

    private int[] Counted(int tokens, ReadOnlySpan<int> selected)
    {
        if (tokens == 1)
        {
            // Its experts are different ones; and the step may be a recording.
            Forward(selected);
            return [.. Enumerable.Repeat(config.TopK, config.Layers)];
        }
        var counts = new List<int>();
        using var routes = new HostRouting(tokens, config.TopK, config.Experts);
        work.Routed = routing =>
        {
            routing.CopyTo(routes, tokens);
            counts.Add(routes.ActiveCount);
        };
        try
        {
            Forward(selected);
        }
        finally
        {
            work.Routed = null;
        }
        if (counts.Count != config.Layers) throw new InvalidOperationException($"the routes of {counts.Count} layers were seen, the model has {config.Layers}");
        return [.. counts];
    }
}
