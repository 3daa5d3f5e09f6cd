using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Text.Json;
using System.Text.RegularExpressions;
using Xunit;

namespace WarpDecode.Package.Tests;

/// <summary>samples/web: answers as server-sent events, and clients that leave.</summary>
public sealed class WebTests(Workspace workspace) : IAsyncLifetime
{
    private Run? server;
    private HttpClient? client;

    public async ValueTask InitializeAsync()
    {
        // One session: an answer whose client left would keep it from the next.
        server = Run.Start(
            Run.Dotnet, [await workspace.SampleAsync("web"), "--urls=http://127.0.0.1:0", $"--WarpDecode:ModelPath={Workspace.Model}", "--WarpDecode:Sessions=1", "--WarpDecode:Temperature=0"],
            workspace.Folder);
        var address = Regex.Match(await server.LineAsync("Now listening on: "), @"http://\S+").Value;
        client = new HttpClient { BaseAddress = new Uri(address), Timeout = TimeSpan.FromMinutes(1) };
    }

    public ValueTask DisposeAsync()
    {
        client?.Dispose();
        server?.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task StreamsAnAnswer()
    {
        using var response = await AskAsync("What is the capital of France?");
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        var (text, pieces, last) = await ReadAsync(response);
        Assert.Contains("Paris", text, StringComparison.Ordinal);
        Assert.True(pieces > 1, "it came in one piece");
        Assert.Equal("stop", last.GetProperty("finish").GetString());
        Assert.True(last.GetProperty("tokens").GetInt32() >= pieces);
    }

    [Fact]
    public async Task AnswersOthersAfterAClientLeft()
    {
        // An answer may be complete before the server notices; of ten long ones surely not all are.
        for (var attempt = 0; attempt < 10 && !server!.Output.Contains("The client left", StringComparison.Ordinal); attempt++)
        {
            using (var response = await AskAsync("Count from 1 to 60."))
            {
                var stream = await response.Content.ReadAsStreamAsync();
                Assert.True(await stream.ReadAsync(new byte[16]) > 0);
            }
            await Task.Delay(100);
        }
        Assert.Matches("The client left after [0-9]+ pieces", await server!.LineAsync("The client left"));
        using var next = await AskAsync("What is the capital of France?");
        Assert.Contains("Paris", (await ReadAsync(next)).Text, StringComparison.Ordinal);
    }

    private static async Task<(string Text, int Pieces, JsonElement Last)> ReadAsync(HttpResponseMessage response)
    {
        var (text, pieces, last) = ("", 0, default(JsonElement));
        await foreach (var item in SseParser.Create(await response.Content.ReadAsStreamAsync()).EnumerateAsync())
        {
            var data = JsonDocument.Parse(item.Data).RootElement;
            if (item.EventType == "text") (text, pieces) = (text + data.GetProperty("text").GetString(), pieces + 1);
            else last = data;
        }
        return (text, pieces, last);
    }

    private async Task<HttpResponseMessage> AskAsync(string question)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/chat")
        {
            Content = JsonContent.Create(new { messages = new[] { new { role = "user", text = question } } }),
        };
        var response = await client!.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return response.EnsureSuccessStatusCode();
    }
}
