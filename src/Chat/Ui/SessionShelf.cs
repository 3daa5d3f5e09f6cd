using WarpDecode.Chat.Conversations;
using WarpDecode.Runtime;

namespace WarpDecode.Chat.Ui;

/// <summary>
/// Sessions of a conversation's branches: what one of them has read is not read again when the conversation comes back to it. Where branches
/// part the session is forked, which costs nothing but the pages that differ. When there are too many, or the cache is full, the one that was
/// not used for the longest time goes; its text stays in the conversation.
/// </summary>
/// <param name="engine">The engine.</param>
/// <param name="most">How many sessions are kept.</param>
internal sealed class SessionShelf(Engine engine, int most) : IDisposable
{
    // Tokens that a running answer is ahead of whoever makes room for it, at most.
    private const int Ahead = 8 * 32;

    private readonly Lock gate = new();
    private readonly List<(Session Session, MessageNode? Tip)> sessions = []; // that not used for the longest time first

    /// <summary>How many sessions there are.</summary>
    public int Count
    {
        get
        {
            lock (gate) return sessions.Count;
        }
    }

    /// <summary>A session that has read as much of a prompt as any has.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="before">The message that the prompt's question follows: its session goes on with the prompt, where others are forked.</param>
    public Session Take(ReadOnlySpan<int> prompt, MessageNode? before)
    {
        lock (gate)
        {
            var (best, common) = (-1, 0);
            for (var i = 0; i < sessions.Count; i++)
            {
                var length = sessions[i].Session.Tokens.CommonPrefixLength(prompt);
                if (length < common || (length == common && best >= 0 && sessions[best].Tip == before && before is not null)) continue;
                (best, common) = (i, length);
            }
            var isOurs = best >= 0 && (sessions[best].Session.Length <= common || (before is not null && sessions[best].Tip == before));
            if (isOurs || (best >= 0 && most == 1))
            {
                var session = sessions[best].Session;
                sessions.RemoveAt(best);
                sessions.Add((session, null));
                MakeRoom(session, prompt.Length - common + Ahead);
                return session;
            }
            var taken = common > 0 ? sessions[best].Session.Fork() : engine.CreateSession();
            sessions.Add((taken, null));
            while (sessions.Count > most) Drop(taken);
            taken.Rewind(common);
            MakeRoom(taken, prompt.Length - common + Ahead);
            return taken;
        }
    }

    /// <summary>Says which message a session has come to.</summary>
    public void Keep(Session session, MessageNode? tip)
    {
        lock (gate)
        {
            var at = sessions.FindIndex(s => s.Session == session);
            if (at < 0) return;
            sessions.RemoveAt(at);
            sessions.Add((session, tip));
        }
    }

    /// <summary>Sees to it that a session that is answering finds room in the cache, if that can be had. Any thread may call it.</summary>
    public void MakeRoom(Session session)
    {
        if (engine.FreeTokens >= Ahead) return; // mostly
        lock (gate) MakeRoom(session, Ahead);
    }

    /// <summary>Whether a session has read all up to a message.</summary>
    public bool Has(MessageNode? tip)
    {
        lock (gate) return tip is not null && sessions.Exists(s => Leads(s.Tip));

        bool Leads(MessageNode? node)
        {
            while (node is not null && node.Depth > tip.Depth) node = node.Parent;
            return node == tip;
        }
    }

    /// <summary>Gives all sessions back.</summary>
    public void Dispose() => Clear();

    /// <summary>Gives all sessions back; others can be taken.</summary>
    public void Clear()
    {
        lock (gate)
        {
            foreach (var (session, _) in sessions) session.Dispose();
            sessions.Clear();
        }
    }

    private void MakeRoom(Session session, int tokens)
    {
        // No session needs more than its context.
        var needed = Math.Min(tokens, session.ContextLength - Math.Min(session.Length, session.ContextLength));
        while (engine.FreeTokens < needed && sessions.Count > 1) Drop(session);
    }

    private void Drop(Session but)
    {
        var at = sessions.FindIndex(s => s.Session != but);
        if (at < 0) return;
        sessions[at].Session.Dispose();
        sessions.RemoveAt(at);
    }
}
