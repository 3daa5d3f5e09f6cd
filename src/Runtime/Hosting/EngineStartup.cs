using Microsoft.Extensions.Hosting;

namespace WarpDecode.Runtime.Hosting;

/// <summary>Opens a model while the host starts, if its options say so: what is wrong with it ends the start.</summary>
internal sealed class EngineStartup(EngineSource source) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (!source.Options.LoadAtStartup) return Task.CompletedTask;
        // Not on the host's thread: a service that starts at the same time need not wait.
        return Task.Run(() => Open(cancellationToken), cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // With what is read from the file only when it is needed, and may be wrong too.
    private void Open(CancellationToken cancellation)
    {
        var engine = source.Get(cancellation);
        _ = engine.Tokenizer;
        source.Options.ToGenerationOptions(engine.File.Metadata);
    }
}
