using Microsoft.Extensions.AI;
using WarpDecode.Runtime;

using var client = WarpDecodeChatClient.Open(args.Length > 0 ? args[0] : "model.gguf");
await foreach (var update in client.GetStreamingResponseAsync("What is the capital of France?"))
    Console.Write(update.Text);
Console.WriteLine();
