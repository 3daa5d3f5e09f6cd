using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace WarpDecode.Runtime;

/// <summary>
/// Lets sessions that decode at the same time, each from its own thread, share steps: a step reads the weights once for all of its tokens.
/// Those that joined wait for each other: the last to come starts the step for all. Others start one at once, with all who wait. Sessions come
/// and go between steps, first come, first served where there are more than a step takes. A session's tokens have the same bits as when it
/// decodes alone.
/// </summary>
/// <param name="decode">Computes a step of one token for each seat; what a seat alone is refused goes to its <see cref="Seat.Error"/>.</param>
/// <param name="most">Most sessions in a step.</param>
/// <param name="patience">How long those who are there wait for one who joined and is not back: its reader may have stopped it.</param>
internal sealed class DecodeQueue(Action<List<DecodeQueue.Seat>> decode, int most, TimeSpan patience)
{
    private readonly Lock gate = new();
    private readonly List<Seat> waiting = [];
    private readonly List<Seat> expected = []; // those who joined, but for who was too late and is not back yet
    private readonly List<Seat> batch = [];
    private bool stepping;
    private long ended; // the last step, on the clock of Stopwatch

    /// <summary>Steps so far, and the tokens in them.</summary>
    public (long Steps, long Tokens) Count { get; private set; }

    /// <summary>A session's place in the queue.</summary>
    internal sealed class Seat(Session session)
    {
        public Session Session { get; } = session;

        public int Token { get; set; }

        /// <summary>Why the step did not take its token.</summary>
        public ExceptionDispatchInfo? Error { get; set; }

        /// <summary>Whether it will be back after each step.</summary>
        public bool IsJoined { get; set; }

        public bool IsExpected { get; set; }

        public bool IsDone { get; set; }

        /// <summary>Whether it is to start the next step.</summary>
        public bool Leads { get; set; }

        public ManualResetEventSlim Called { get; } = new(initialState: false, spinCount: 0);
    }

    /// <summary>Appends a token to a session, together with what other sessions ask for meanwhile.</summary>
    public void Decode(Seat seat, int token)
    {
        bool leads;
        lock (gate)
        {
            (seat.Token, seat.Error, seat.IsDone, seat.Leads) = (token, null, false, false);
            seat.Called.Reset();
            waiting.Add(seat);
            if (seat.IsJoined) Expect(seat);
            leads = seat.IsJoined ? MayLead() : !stepping;
            stepping |= leads;
        }
        while (true)
        {
            if (leads) Lead();
            lock (gate)
            {
                if (seat.IsDone) break;
            }
            var called = seat.Called.Wait(patience);
            lock (gate)
            {
                if (seat.IsDone) break;
                leads = seat.Leads;
                seat.Leads = false;
                seat.Called.Reset();
                // Who came during a step waits from the end of that on: the others are only then called back.
                if (called || stepping || Stopwatch.GetElapsedTime(ended) < patience) continue;
                // Waited long enough: those who are missing join again when they come.
                for (var i = expected.Count - 1; i >= 0; i--)
                {
                    if (waiting.Contains(expected[i])) continue;
                    expected[i].IsExpected = false;
                    expected.RemoveAt(i);
                }
                leads = stepping = true;
            }
        }
        seat.Error?.Throw();
    }

    /// <summary>The session will decode token after token, and the others wait for it.</summary>
    public void Join(Seat seat)
    {
        lock (gate)
        {
            seat.IsJoined = true;
            Expect(seat);
        }
    }

    /// <summary>The session will not be back soon: nobody waits for it.</summary>
    public void Leave(Seat seat)
    {
        lock (gate)
        {
            seat.IsJoined = false;
            if (!seat.IsExpected) return;
            seat.IsExpected = false;
            expected.Remove(seat);
            CallNext();
        }
    }

    private void Expect(Seat seat)
    {
        if (seat.IsExpected) return;
        seat.IsExpected = true;
        expected.Add(seat);
    }

    private bool MayLead() => !stepping && waiting.Count > 0 && waiting.Count >= Math.Min(expected.Count, most);

    private void CallNext()
    {
        if (!MayLead()) return;
        stepping = true;
        waiting[0].Leads = true;
        waiting[0].Called.Set();
    }

    private void Lead()
    {
        lock (gate)
        {
            var count = Math.Min(waiting.Count, most);
            batch.Clear();
            for (var i = 0; i < count; i++) batch.Add(waiting[i]); // a range of a list would be a new list
            waiting.RemoveRange(0, count);
        }
        try
        {
            decode(batch);
        }
        catch (Exception e)
        {
            var error = ExceptionDispatchInfo.Capture(e); // nobody's fault alone: all are told
            foreach (var seat in batch) seat.Error ??= error;
        }
        lock (gate)
        {
            Count = (Count.Steps + 1, Count.Tokens + batch.Count);
            (stepping, ended) = (false, Stopwatch.GetTimestamp());
            foreach (var seat in batch)
            {
                seat.IsDone = true;
                seat.Called.Set();
            }
            CallNext();
        }
    }
}
