// A web service that answers conversations by server-sent events.
//   dotnet run -- --WarpDecode:ModelPath=MODEL
//   curl -N localhost:5000/chat --json '{"messages": [{"role": "user", "text": "What is the capital of France?"}]}'
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;

var builder = WebApplication.CreateBuilder(args);

// The section WarpDecode of the configuration: appsettings.json, environment (WarpDecode__ModelPath), command line. The host opens the model as it starts.
builder.Services.AddWarpDecode(builder.Configuration);

var app = builder.Build();
app.MapPost("/chat", (Conversation conversation, IChatClient client, ILogger<Program> logger, CancellationToken left) =>
    TypedResults.ServerSentEvents(AnswerAsync(conversation, client, logger, left)));
app.Run();

// An event "text" for each piece of the answer and an event "done" at its end. The token is cancelled when the client leaves: the model then stops
// within one token, and its session is free for others.
static async IAsyncEnumerable<SseItem<object>> AnswerAsync(
    Conversation conversation, IChatClient client, ILogger logger, [EnumeratorCancellation] CancellationToken left)
{
    var messages = conversation.Messages.Select(m => new ChatMessage(new ChatRole(m.Role), m.Text));
    var options = new ChatOptions { MaxOutputTokens = conversation.MaxTokens };
    var updates = new List<ChatResponseUpdate>();
    try
    {
        await foreach (var update in client.GetStreamingResponseAsync(messages, options, left))
        {
            updates.Add(update);
            if (update.Text.Length > 0) yield return new SseItem<object>(new { update.Text }, "text");
        }
        var response = updates.ToChatResponse();
        yield return new SseItem<object>(new { Finish = response.FinishReason?.Value, Tokens = response.Usage?.OutputTokenCount }, "done");
    }
    finally
    {
        if (left.IsCancellationRequested) logger.LogInformation("The client left after {Pieces} pieces of its answer", updates.Count);
    }
}

internal sealed record Conversation(IReadOnlyList<Turn> Messages, int? MaxTokens);

internal sealed record Turn(string Role, string Text);
