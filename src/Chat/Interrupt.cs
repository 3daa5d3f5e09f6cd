using System.Runtime.InteropServices;

namespace WarpDecode.Chat;

/// <summary>
/// Ctrl-C and SIGTERM as cancellation. While an answer to a person is open the first Ctrl-C cancels that alone; the next, or one
/// at any other time, ends the program, within a second even where nothing looks at the cancellation.
/// </summary>
internal sealed class Interrupt : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly CancellationTokenSource program = new();
    private readonly CancellationTokenSource overdue = new();
    private readonly PosixSignalRegistration[] registrations;
    private readonly Lock gate = new();
    private CancellationTokenSource? answer;

    public Interrupt() =>
        registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal), PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal)];

    /// <summary>Cancelled when the program is to end.</summary>
    public CancellationToken Token => program.Token;

    /// <summary>Cancelled when the program should have ended by now.</summary>
    public CancellationToken Overdue => overdue.Token;

    /// <summary>Exit code of the signal that ends the program.</summary>
    public int Code { get; private set; } = ExitCode.Interrupted;

    /// <summary>Begins an answer that the next Ctrl-C cancels in the place of the program; disposing it ends that.</summary>
    public Answer BeginAnswer(CancellationToken cancellation) => new(this, cancellation);

    public void Dispose()
    {
        foreach (var registration in registrations) registration.Dispose();
        program.Dispose();
        overdue.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = true;
        // Under the lock, so that no source is disposed under our hands; CancelAsync, so that nothing foreign runs under the lock.
        lock (gate)
        {
            if (context.Signal == PosixSignal.SIGINT && answer is { IsCancellationRequested: false })
            {
                _ = answer.CancelAsync();
                return;
            }
            if (program.IsCancellationRequested) return;
            if (context.Signal == PosixSignal.SIGTERM) Code = ExitCode.Terminated;
            _ = program.CancelAsync();
            overdue.CancelAfter(Patience);
        }
    }

    /// <summary>An answer that Ctrl-C stops.</summary>
    public sealed class Answer : IDisposable
    {
        private readonly Interrupt owner;
        private readonly CancellationTokenSource source;

        internal Answer(Interrupt owner, CancellationToken cancellation)
        {
            this.owner = owner;
            source = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            Token = source.Token;
            lock (owner.gate) owner.answer = source;
        }

        public CancellationToken Token { get; }

        public void Dispose()
        {
            lock (owner.gate) owner.answer = null;
            source.Dispose();
        }
    }
}
