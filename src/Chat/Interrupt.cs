using System.Runtime.InteropServices;

namespace WarpDecode.Chat;

/// <summary>
/// Ctrl-C and SIGTERM as cancellation. While a <see cref="Scope"/> is open the first Ctrl-C cancels that alone; the next, or one
/// outside a scope, cancels the program.
/// </summary>
internal sealed class Interrupt : IDisposable
{
    private readonly CancellationTokenSource program = new();
    private readonly PosixSignalRegistration[] registrations;
    private readonly Lock gate = new();
    private CancellationTokenSource? scope;

    public Interrupt() =>
        registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal), PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal)];

    /// <summary>Cancelled when the program is to end.</summary>
    public CancellationToken Token => program.Token;

    /// <summary>How often the user has interrupted.</summary>
    public int Count { get; private set; }

    /// <summary>Whether Ctrl-C at a prompt, where nothing runs that could be cancelled, ends the process at once.</summary>
    public bool AtPrompt { get; set; }

    /// <summary>Opens a scope that the next Ctrl-C cancels in the place of the program.</summary>
    public CancellationTokenSource Scope()
    {
        lock (gate) return scope = CancellationTokenSource.CreateLinkedTokenSource(program.Token);
    }

    /// <summary>Ends the scope.</summary>
    public void EndScope()
    {
        lock (gate) scope = null;
    }

    public void Dispose()
    {
        foreach (var registration in registrations) registration.Dispose();
        program.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        lock (gate)
        {
            Count++;
            if (AtPrompt) return; // the default action: the process ends, with the shell's code for the signal
            context.Cancel = true;
            if (context.Signal == PosixSignal.SIGINT && scope is { IsCancellationRequested: false }) scope.Cancel();
            else program.Cancel();
        }
    }
}
