using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace WarpDecode.Runtime.Hosting;

/// <summary>Opens the model of some options once, when it is first asked for, and disposes it with the container. Thread-safe.</summary>
/// <param name="monitor">The options.</param>
/// <param name="name">Which of them.</param>
/// <param name="logger">Told what is opened, how, and what came of it.</param>
internal sealed partial class EngineSource(IOptionsMonitor<WarpDecodeOptions> monitor, string name, ILogger<Engine> logger) : IDisposable
{
    private readonly Lock gate = new();
    private Engine? engine;
    private bool disposed;

    public WarpDecodeOptions Options => monitor.Get(name);

    /// <summary>The model; who comes while it is opened waits for it. What fails is tried anew by the next to come.</summary>
    /// <param name="cancellation">Ends loading, if it is this call that does it.</param>
    /// <exception cref="OptionsValidationException">A setting is wrong.</exception>
    public Engine Get(CancellationToken cancellation = default)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            return engine ??= Open(cancellation);
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            engine?.Dispose();
        }
    }

    private Engine Open(CancellationToken cancellation)
    {
        var options = Options;
        var start = Stopwatch.GetTimestamp();
        LogOpening(options.ModelPath, options.Backend);
        Engine opened;
        try
        {
            opened = Engine.Open(options.ModelPath, options.ToEngineOptions() with { Cancellation = cancellation, Progress = new Reports(this, start) });
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogFailed(e, options.ModelPath);
            throw;
        }
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (logger.IsEnabled(LogLevel.Information)) LogOpened(options.ModelPath, opened.Backend, opened.ContextLength, options.Sessions, seconds);
        foreach (var note in opened.Notes)
        {
            var level = LevelOf(note);
            LogNote(level, options.ModelPath, note);
        }
        return opened;
    }

    /// <summary>One note is about something that was not to be expected: a context that is shorter than the model's.</summary>
    internal static LogLevel LevelOf(string note) => note.StartsWith("context ", StringComparison.Ordinal) ? LogLevel.Warning : LogLevel.Information;

    [LoggerMessage(EventId = 1, Level = LogLevel.Information, Message = "Opening model {Model} on backend {Backend}")]
    private partial void LogOpening(string model, BackendKind backend);

    [LoggerMessage(EventId = 2, Level = LogLevel.Information, Message = "Opened model {Model} on {Backend}: {Sessions} sessions of {ContextLength} tokens, in {Seconds:F1} s")]
    private partial void LogOpened(string model, string backend, int contextLength, int sessions, double seconds);

    [LoggerMessage(EventId = 3, Message = "Model {Model}: {Note}")]
    private partial void LogNote(LogLevel level, string model, string note);

    [LoggerMessage(EventId = 4, Level = LogLevel.Error, Message = "Model {Model} cannot be opened")]
    private partial void LogFailed(Exception exception, string model);

    [LoggerMessage(EventId = 5, Level = LogLevel.Information, Message = "Opening model {Model}: {Percent} %, {Doing}")]
    private partial void LogProgress(string model, long percent, string doing);

    /// <summary>Says every few seconds how far a long loading is.</summary>
    private sealed class Reports(EngineSource source, long start) : IProgress<LoadProgress>
    {
        private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);
        private TimeSpan next = Pause;

        public void Report(LoadProgress value)
        {
            if (Stopwatch.GetElapsedTime(start) is var elapsed && elapsed < next) return;
            next = elapsed + Pause;
            source.LogProgress(source.Options.ModelPath, value.Total == 0 ? 100 : value.Bytes * 100 / value.Total, value.Doing ?? "binding weights");
        }
    }
}
