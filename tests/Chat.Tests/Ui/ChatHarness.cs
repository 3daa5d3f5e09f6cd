using System.Collections.Concurrent;
using System.Diagnostics;
using WarpDecode.Chat.Conversations;
using WarpDecode.Chat.Ui;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Chat.Tests.Ui;

/// <summary>A chat with the default model and without a screen, in a folder of its own.</summary>
internal sealed class ChatHarness : IChatDisplay, IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private readonly ConcurrentQueue<Action> posted = new();
    private readonly bool ownsFolder;

    /// <param name="context">Tokens of the context.</param>
    /// <param name="folder">Where conversations are; null for a folder of its own.</param>
    /// <param name="options">How answers are made: the likeliest tokens, if nothing is said.</param>
    /// <param name="continues">Whether the newest conversation goes on.</param>
    /// <param name="engine">How the engine is opened.</param>
    public ChatHarness(int context = 512, string? folder = null, GenerationOptions? options = null, bool continues = false, EngineOptions? engine = null)
    {
        ownsFolder = folder is null;
        Folder = folder ?? Directory.CreateTempSubdirectory("wd-chat-").FullName;
        Store = new ConversationStore(Folder, TimeProvider.System);
        var how = options ?? new GenerationOptions { MaxTokens = 24, Sampling = new() { Temperature = 0 } };
        Setup = new ChatSetup(DefaultModel, Opener(how, (engine ?? new EngineOptions { Backend = BackendKind.Cpu, Threads = 1, Sessions = 4 }) with { ContextLength = context }));
        var conversation = continues ? ConversationFile.Open(Store.Newest()!.Path) : Store.Create(null);
        Chat = new ChatController(Setup, Store, conversation, this, TimeProvider.System);
    }

    public static string DefaultModel { get; } = Path.Combine(TestData.Root, "models", DefaultModelTests.Name);

    public string Folder { get; }

    public ConversationStore Store { get; }

    public ChatSetup Setup { get; }

    public ChatController Chat { get; }

    /// <summary>What is written in the input.</summary>
    public string Input { get; set; } = "";

    /// <summary>What was said for a moment, last.</summary>
    public string Flashed { get; private set; } = "";

    public bool HasLeft { get; private set; }

    /// <summary>The entries that are shown.</summary>
    public List<TranscriptEntry> Shown { get; } = [];

    /// <summary>What is shown, without labels.</summary>
    public string Text => string.Join('\n', Shown.Select(e => e.Text));

    public ConversationTree Tree => Chat.Conversation.Tree;

    public GenerationResult Last => Chat.Last!;

    public static ModelOpener Opener(GenerationOptions options, EngineOptions how) => (path, progress, cancellation) =>
    {
        var engine = Engine.Open(path, how with { Cancellation = cancellation });
        try
        {
            return new LoadedModel(path, engine, options, new AnswerStyle(AnswerFormat.Of(engine), new TemplateOptions { AddGenerationPrompt = true }), ModelIdentity.Of(path));
        }
        catch
        {
            engine.Dispose();
            throw;
        }
    };

    /// <summary>Loads the model.</summary>
    public ChatHarness Begin()
    {
        Chat.Begin();
        Await(() => Chat.Loading is null);
        return this;
    }

    /// <summary>Types something and waits until what it begins is over.</summary>
    public void Say(string text)
    {
        Chat.Submit(text);
        AwaitAnswer();
    }

    public void AwaitAnswer() => Await(() => !Chat.IsAnswering && Chat.Loading is null);

    public void Await(Func<bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            while (posted.TryDequeue(out var action)) action();
            if (condition()) return;
            Assert.True(clock.Elapsed < Deadline, $"waited too long; shown is:\n{Text}");
            Thread.Sleep(1);
        }
    }

    public void Add(TranscriptEntry entry) => Shown.Add(entry);

    public void Truncate(int count) => Shown.RemoveRange(count, Shown.Count - count);

    public void Write(string text) => Input = text;

    public void Restore(string text)
    {
        if (Input.Length == 0) Input = text;
    }

    public void Flash(string text) => Flashed = text;

    /// <summary>The engine whose experts are shown.</summary>
    public Engine? Watched { get; private set; }

    public void ShowExperts(Engine engine) => Watched = engine;

    public void HideExperts() => Watched = null;

    public void Leave() => HasLeft = true;

    public void Post(Action action) => posted.Enqueue(action);

    public void Dispose()
    {
        Chat.Dispose();
        if (ownsFolder) Directory.Delete(Folder, recursive: true);
    }
}
