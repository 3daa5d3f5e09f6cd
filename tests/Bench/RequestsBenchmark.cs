using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.AI;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.Bench;

/// <summary>Many requests at once, some of them cancelled at any time: what stays in memory and in the cache.</summary>
internal static class RequestsBenchmark
{
    public static Command Command()
    {
        var model = new Argument<string>("MODEL") { Description = "A model." };
        var rounds = new Option<int>("--rounds") { Description = "Rounds.", DefaultValueFactory = _ => 12 };
        var requests = new Option<int>("--requests") { Description = "Requests of a round, all at once.", DefaultValueFactory = _ => 50 };
        var sessions = new Option<int>("--sessions") { Description = "Sessions of the engine.", DefaultValueFactory = _ => 8 };
        var backend = new Option<BackendKind>("--backend") { Description = "Where.", DefaultValueFactory = _ => BackendKind.Cpu };
        var command = new Command("requests", "Many chat requests at once with cancellations: memory after each round.") { model, rounds, requests, sessions, backend };
        command.SetAction((parsed, cancellation) => RunAsync(
            parsed.GetValue(model)!, parsed.GetValue(rounds), parsed.GetValue(requests), parsed.GetValue(sessions), parsed.GetValue(backend), cancellation));
        return command;
    }

    private static async Task RunAsync(string model, int rounds, int requests, int sessions, BackendKind backend, CancellationToken cancellation)
    {
        Console.WriteLine(HostMachine.Description);
        var before = Process.GetCurrentProcess().WorkingSet64;
        await using var client = WarpDecodeChatClient.Open(model, new EngineOptions { Sessions = sessions, Backend = backend });
        Console.WriteLine($"{client.ModelId} on {client.Engine.Backend}; {requests} requests at once in {sessions} sessions, two of three cancelled\n");
        Console.WriteLine("| round | answered | cancelled | managed MB | private MB | threads | cache free after the cancelled went |\n|---|---|---|---|---|---|---|");
        var random = new Random(1);
        for (var round = 1; round <= rounds; round++)
        {
            var outcomes = await Task.WhenAll(Enumerable.Range(0, requests).Select(i => One(client, i, random.Next(3) == 0 ? -1 : random.Next(400), cancellation)));
            // What the answered ones hold is kept for requests that go on with them; the pool gives it back where it is wanted.
            client.Engine.Pool.MakeRoom(long.MaxValue);
            GC.Collect();
            GC.WaitForPendingFinalizers();
            using var process = Process.GetCurrentProcess();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {round} | {outcomes.Count(o => o)} | {outcomes.Count(o => !o)} | {GC.GetTotalMemory(forceFullCollection: true) / 1e6:F2} | {process.PrivateMemorySize64 / 1e6:F1} | {process.Threads.Count} | {client.Engine.FreeTokens} |"));
        }
        Console.WriteLine($"\nworking set before the model: {before / 1e6:F1} MB");
    }

    /// <summary>One request, cancelled after so many milliseconds unless that is negative; whether it was answered.</summary>
    private static async Task<bool> One(WarpDecodeChatClient client, int number, int milliseconds, CancellationToken cancellation)
    {
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (milliseconds >= 0) cancel.CancelAfter(milliseconds);
        try
        {
            var options = new ChatOptions { Temperature = 0, MaxOutputTokens = 40 };
            await foreach (var _ in client.GetStreamingResponseAsync($"What is {number} + 7?", options, cancel.Token))
            {
            }
            return true;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return false;
        }
    }
}
