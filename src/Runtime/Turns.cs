namespace WarpDecode.Runtime;

/// <summary>
/// A lock that is taken in the order of asking, so that a long prompt, which asks anew for each of its steps, lets others between. Not to be taken
/// twice by one thread.
/// </summary>
internal sealed class Turns
{
    private readonly object gate = new();
    private long next;
    private long served;
    private Thread? owner;

    /// <summary>Whether nobody has a turn or waits for one.</summary>
    public bool IsFree
    {
        get
        {
            lock (gate) return next == served;
        }
    }

    /// <summary>Refuses a thread that has a turn: it is called back in the middle of a step.</summary>
    public void CheckNotMine()
    {
        lock (gate)
        {
            if (owner == Thread.CurrentThread)
                throw new InvalidOperationException("the engine computes a step: who is told of its logits cannot begin another, nor dispose the engine");
        }
    }

    /// <summary>Waits for its turn; disposing ends it.</summary>
    public Turn Take()
    {
        CheckNotMine();
        lock (gate)
        {
            var mine = next++;
            while (served != mine) Monitor.Wait(gate);
            owner = Thread.CurrentThread;
        }
        return new Turn(this);
    }

    private void End()
    {
        lock (gate)
        {
            owner = null;
            served++;
            Monitor.PulseAll(gate);
        }
    }

    /// <summary>A turn that goes on until it is disposed.</summary>
    internal readonly ref struct Turn(Turns turns)
    {
        public void Dispose() => turns.End();
    }
}
