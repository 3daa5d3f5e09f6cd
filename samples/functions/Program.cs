// A model that calls C# functions, by dependency injection in a generic host.
//   dotnet run -- --WarpDecode:ModelPath=MODEL [--Question="…"] [--WarpDecode:ChatTemplateFile=chatml-tools.jinja]
// The template is for a model whose own one knows no functions.
using System.Text.Json;
using Functions;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using WarpDecode.Runtime;

var builder = Host.CreateApplicationBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);
builder.Services.AddWarpDecode(builder.Configuration);

// Over the model's client the one that calls functions: it is what IChatClient is from here on.
builder.Services.AddChatClient(services => services.GetRequiredService<WarpDecodeChatClient>()).UseFunctionInvocation();
builder.Services.AddSingleton<Weather>();
using var host = builder.Build();
await host.StartAsync();

var client = host.Services.GetRequiredService<IChatClient>();
var weather = host.Services.GetRequiredService<Weather>();
var options = new ChatOptions
{
    Tools = [AIFunctionFactory.Create(weather.Temperature), AIFunctionFactory.Create(weather.Rain)],
    // The model must call one of them, and can write nothing but a valid call: its tokens are held to the functions' schemas. With Auto it decides by itself.
    ToolMode = ChatToolMode.RequireAny,
    MaxOutputTokens = 200,
};
var response = await client.GetResponseAsync(builder.Configuration["Question"] ?? "How warm is it in Rome?", options);

foreach (var content in response.Messages.SelectMany(message => message.Contents))
{
    Console.WriteLine(content switch
    {
        FunctionCallContent call => $"call: {call.Name} {JsonSerializer.Serialize(call.Arguments)}",
        FunctionResultContent result => $"result: {result.Result}",
        TextContent text => $"answer: {text.Text}",
        _ => $"({content.GetType().Name})",
    });
}
await host.StopAsync();
