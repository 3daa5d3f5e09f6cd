using System.Text;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Options;
using WarpDecode.Formats;
using WarpDecode.Runtime.Hosting;
using WarpDecode.Runtime.Tests.Evaluation;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Hosting;

/// <summary>A model among the services of an application.</summary>
public class ServiceCollectionTests
{
    private static readonly string Other = TestData.Golden("qwen3_moe/qwen3_moe-Q4_K_M-mix.gguf");

    [Fact]
    public async Task AllServicesAreOneModel()
    {
        await using var services = new ServiceCollection().AddWarpDecode(Small).BuildServiceProvider(Strict);
        var engine = services.GetRequiredService<Engine>();
        Assert.Same(engine, services.GetRequiredService<Engine>());
        Assert.Same(engine.Tokenizer, services.GetRequiredService<Tokenizer>());
        var chat = services.GetRequiredService<IChatClient>();
        Assert.Same(engine, chat.GetService<WarpDecodeChatClient>()!.Engine);
        Assert.Same(chat, services.GetRequiredService<WarpDecodeChatClient>());
        var generator = services.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
        Assert.Same(engine, generator.GetService<Engine>());
        Assert.Same(generator, services.GetRequiredService<WarpDecodeEmbeddingGenerator>());
        Assert.Same(generator, services.GetRequiredService<IEmbeddingGenerator>());
        Assert.Equal(engine.HiddenSize, (await generator.GenerateVectorAsync("A text.")).Length);
        Assert.Equal("small", generator.GetRequiredService<EmbeddingGeneratorMetadata>().DefaultModelId);
    }

    [Fact]
    public async Task TheContainerClosesTheEngineAfterItsClients()
    {
        Engine engine;
        WarpDecodeEmbeddingGenerator generator;
        await using (var services = new ServiceCollection().AddWarpDecode(Small).AddSingleton<Last>().BuildServiceProvider(Strict))
        {
            services.GetRequiredService<IChatClient>();
            generator = services.GetRequiredService<WarpDecodeEmbeddingGenerator>();
            services.GetRequiredService<Last>(); // uses the model when it is disposed
            engine = services.GetRequiredService<Engine>();
        }
        Assert.Throws<ObjectDisposedException>(engine.CreateSession);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => generator.GenerateAsync(["a"]));
    }

    [Fact]
    public void SeveralModelsHaveKeys()
    {
        var configuration = new ConfigurationBuilder().AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(
            $$"""{ "WarpDecode": { "b": { "ModelPath": "{{Other.Replace("\\", "\\\\")}}", "Backend": "Cpu", "ContextLength": 64, "ModelId": "B" } } }"""))).Build();
        using var services = new ServiceCollection().AddKeyedWarpDecode("a", Small).AddKeyedWarpDecode("b", configuration).BuildServiceProvider(Strict);
        var (a, b) = (services.GetRequiredKeyedService<Engine>("a"), services.GetRequiredKeyedService<Engine>("b"));
        Assert.Equal((TinyModel.Path, Other), (a.File.Path, b.File.Path));
        Assert.Same(a, services.GetRequiredKeyedService<IChatClient>("a").GetService<WarpDecodeChatClient>()!.Engine);
        Assert.Same(b, services.GetRequiredKeyedService<IEmbeddingGenerator<string, Embedding<float>>>("b").GetService<Engine>());
        Assert.Equal("B", services.GetRequiredKeyedService<IEmbeddingGenerator>("b").GetRequiredService<EmbeddingGeneratorMetadata>().DefaultModelId);
        Assert.Same(b.Tokenizer, services.GetRequiredKeyedService<Tokenizer>("b"));
        Assert.Null(services.GetService<IChatClient>());
    }

    /// <summary>Options add up; the model is one.</summary>
    [Fact]
    public void AddedTwiceItIsThere0nce()
    {
        var services = new ServiceCollection().AddWarpDecode(Other).AddWarpDecode(Small);
        Assert.Single(services, s => s.ServiceType == typeof(Engine));
        Assert.Single(services, s => s.ServiceType == typeof(IHostedService));
        using var provider = services.BuildServiceProvider(Strict);
        Assert.Equal(TinyModel.Path, provider.GetRequiredService<Engine>().File.Path);
    }

    [Fact]
    public async Task WhatTheApplicationRegistersGoesBefore()
    {
        using var theirs = new WarpDecodeEmbeddingGenerator(Engine.Open(TinyModel.Path, new EngineOptions { ContextLength = 32, Backend = BackendKind.Cpu }));
        await using var services = new ServiceCollection().AddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(theirs).AddWarpDecode(Small).BuildServiceProvider();
        Assert.Same(theirs, services.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>());
        theirs.Engine.Dispose();

        var builder = new ServiceCollection();
        builder.AddWarpDecode(Small).AddChatClient(sp => sp.GetRequiredService<WarpDecodeChatClient>()).UseFunctionInvocation();
        await using var wrapped = builder.BuildServiceProvider(Strict);
        var client = wrapped.GetRequiredService<IChatClient>();
        Assert.NotNull(client.GetService<FunctionInvokingChatClient>());
        Assert.Same(wrapped.GetRequiredService<WarpDecodeChatClient>(), client.GetService<WarpDecodeChatClient>());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AHostOpensItWhileItStartsUnlessItIsNotTo(bool atStartup)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddWarpDecode(o =>
        {
            Small(o);
            o.LoadAtStartup = atStartup;
        });
        var log = new FakeLogCollector();
        builder.Logging.AddProvider(new FakeLoggerProvider(log));
        using var host = builder.Build();
        await host.StartAsync();
        Assert.Equal(atStartup ? 1 : 0, log.GetSnapshot().Count(r => r.Message.StartsWith("Opened model", StringComparison.Ordinal)));
        var engine = host.Services.GetRequiredService<Engine>();
        Assert.Single(log.GetSnapshot(), r => r.Message.StartsWith("Opened model", StringComparison.Ordinal));
        await host.StopAsync();
        host.Dispose();
        Assert.Throws<ObjectDisposedException>(engine.CreateSession);
    }

    [Fact]
    public async Task AHostDoesNotStartWithAWrongSettingOrAModelThatCannotBeOpened()
    {
        var log = new FakeLogCollector();
        IHost Build(Action<WarpDecodeOptions> more)
        {
            var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
            builder.Services.AddWarpDecode(Small).Configure(more);
            builder.Logging.AddProvider(new FakeLoggerProvider(log));
            return builder.Build();
        }

        using var wrong = Build(o => (o.Sessions, o.LoadAtStartup) = (0, false));
        Assert.Contains("WarpDecode:Sessions is 0", (await Assert.ThrowsAsync<OptionsValidationException>(() => wrong.StartAsync())).Message, StringComparison.Ordinal);
        using var noModel = Build(o => o.ModelPath = TestData.Golden("qwen3_moe/golden.json"));
        await Assert.ThrowsAsync<ModelFileException>(() => noModel.StartAsync());
        Assert.Equal(LogLevel.Error, Assert.Single(log.GetSnapshot(), r => r.Message.EndsWith("cannot be opened", StringComparison.Ordinal)).Level);
        using var cancelled = Build(_ => { });
        using var cancellation = new CancellationTokenSource();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled.StartAsync(cancellation.Token));
    }

    /// <summary>The file, the backend, the context and the time; and the notes, of which auto always has some.</summary>
    [Fact]
    public void OpeningIsLogged()
    {
        var log = new FakeLogCollector();
        using var services = new ServiceCollection().AddLogging(b => b.AddProvider(new FakeLoggerProvider(log))).AddWarpDecode(o =>
        {
            Small(o);
            o.Backend = BackendKind.Auto;
        }).BuildServiceProvider(Strict);
        var engine = services.GetRequiredService<Engine>();
        var records = log.GetSnapshot();
        Assert.All(records, r => Assert.Equal(("WarpDecode.Runtime.Engine", LogLevel.Information), (r.Category, r.Level)));
        Assert.Equal($"Opening model {TinyModel.Path} on backend Auto", records[0].Message);
        Assert.StartsWith($"Opened model {TinyModel.Path} on {engine.Backend}: 2 sessions of 64 tokens, in ", records[1].Message, StringComparison.Ordinal);
        Assert.Contains(records[1].StructuredState!, p => p is { Key: "ContextLength", Value: "64" });
        Assert.NotEmpty(engine.Notes);
        Assert.Equal(engine.Notes.Select(note => $"Model {TinyModel.Path}: {note}"), records.Skip(2).Select(r => r.Message));
    }

    [Theory]
    [InlineData("context 4096 of the model's 32768 tokens: the cache for all of them would take more than half of the memory (ask for another length to override)", LogLevel.Warning)]
    [InlineData("on the cpu: no NVIDIA driver", LogLevel.Information)]
    [InlineData("memory: weights 1.00 GB", LogLevel.Information)]
    public void AContextThatWasMadeShorterIsAWarning(string note, LogLevel level) => Assert.Equal(level, EngineSource.LevelOf(note));

    /// <summary>Two that ask at the same time wait for one opening.</summary>
    [Fact]
    public async Task AskedForFromManyThreadsItIsOpenedOnce()
    {
        await using var services = new ServiceCollection().AddWarpDecode(Small).BuildServiceProvider(Strict);
        var engines = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() =>
            i % 2 == 0 ? services.GetRequiredService<Engine>() : services.GetRequiredService<IChatClient>().GetService<WarpDecodeChatClient>()!.Engine)));
        Assert.All(engines, engine => Assert.Same(engines[0], engine));
    }

    private static ServiceProviderOptions Strict { get; } = new() { ValidateOnBuild = true, ValidateScopes = true };

    private static void Small(WarpDecodeOptions options)
    {
        options.ModelPath = TinyModel.Path;
        options.Backend = BackendKind.Cpu;
        options.Threads = 2;
        options.ContextLength = 64;
        options.Sessions = 2;
        options.ModelId = "small";
    }

    /// <summary>What an application has that needs the model to the end.</summary>
    private sealed class Last(WarpDecodeEmbeddingGenerator generator) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => Assert.Single(await generator.GenerateAsync(["still there"]));
    }
}
