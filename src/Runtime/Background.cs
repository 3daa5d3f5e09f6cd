namespace WarpDecode.Runtime;

/// <summary>Work that computes for long: on a thread of its own, so that it takes none from the pool.</summary>
internal static class Background
{
    /// <summary>Begins the work; cancelled before it begins, it never does.</summary>
    public static Task<T> Run<T>(Func<T> work, CancellationToken cancellation) =>
        Task.Factory.StartNew(work, cancellation, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);
}
