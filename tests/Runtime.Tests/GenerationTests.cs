using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Text;
using WarpDecode.Formats;
using WarpDecode.Runtime.Sampling;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests;

public sealed class GenerationTests : IDisposable
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly SamplerOptions Greedy = new() { Temperature = 0 };

    private readonly Engine engine = Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"));
    private readonly int[] prompt;

    public GenerationTests() => prompt = Encode("The license is");

    public void Dispose() => engine.Dispose();

    [Fact]
    public async Task TheTextIsThatOfTheTokensOneByOne()
    {
        var expected = Likeliest(prompt, 200);
        using var session = engine.CreateSession();
        await using var answer = Start(session, prompt, new GenerationOptions { Sampling = Greedy, MaxTokens = 200 });
        var text = await ReadAsync(answer.Output);
        var result = await answer.Completion;
        Assert.Equal(Text(expected), text);
        Assert.Equal(200, result.Tokens);
        Assert.Equal(FinishReason.MaxTokens, result.Finish);
        Assert.Equal((prompt.Length, 0), (result.PromptTokens, result.CachedTokens));
        Assert.True(result.PromptTime > TimeSpan.Zero && result.DecodeTime > TimeSpan.Zero && result.TokensPerSecond > 0);
        Assert.Equal([.. prompt, .. expected[..^1]], session.Tokens.ToArray()); // the last token was never needed as input
    }

    [Fact]
    public async Task ALongPromptTellsHowFarItIsRead()
    {
        int[] text = [.. Enumerable.Range(0, 600).Select(i => i % 400)];
        var reports = new Reports();
        using var session = engine.CreateSession();
        session.Append(text.AsSpan(0, 100));
        await using (var answer = Start(session, text, new GenerationOptions { Sampling = Greedy, MaxTokens = 1, PromptProgress = reports }))
            Assert.Equal(100, (await answer.Completion).CachedTokens);
        Assert.Equal([new(356, 600), new(600, 600)], reports.All);
    }

    private sealed class Reports : IProgress<PromptProgress>
    {
        public List<PromptProgress> All { get; } = [];

        public void Report(PromptProgress value) => All.Add(value);
    }

    [Fact]
    public async Task CharactersAreNeverSplit()
    {
        // Drawn at a high temperature from all tokens, single bytes of characters come often.
        var options = new GenerationOptions { Sampling = new SamplerOptions { Temperature = 3, TopK = 0, TopP = 1, MinP = 0, Seed = 1 }, MaxTokens = 600 };
        using var session = engine.CreateSession();
        await using var answer = Start(session, prompt, options);
        var all = new StringBuilder();
        while (true)
        {
            var read = await answer.Output.ReadAsync();
            all.Append(Strict.GetString(read.Buffer)); // throws if a piece begins or ends within a character
            answer.Output.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted) break;
        }
        var tokens = session.Tokens[prompt.Length..].ToArray(); // without the last, which may complete a character
        Assert.StartsWith(Text(tokens).TrimEnd('\uFFFD'), all.ToString(), StringComparison.Ordinal);
        Assert.Contains(tokens, t => engine.Tokenizer.Bytes(t) is [>= 0x80]); // there were bytes to be split
    }

    [Fact]
    public async Task MarkersComeOutAndNoOtherControlToken()
    {
        var tokenizer = engine.Tokenizer;
        int[] controls = [.. Enumerable.Range(0, tokenizer.Count).Where(t => tokenizer.IsControl(t) && !tokenizer.EndOfTurn.Contains(t))];
        Assert.NotEmpty(controls);
        var seen = 0;
        for (var seed = 1UL; seen < 2; seed++)
        {
            Assert.True(seed < 60, "no control token was drawn");
            foreach (var shown in new[] { true, false })
            {
                using var session = engine.CreateSession();
                await using var answer = Start(session, prompt, new GenerationOptions
                {
                    Sampling = new SamplerOptions { Temperature = 5, TopK = 0, TopP = 1, MinP = 0, Seed = seed },
                    MaxTokens = 150,
                    MarkerTokens = new HashSet<int>(shown ? controls : []),
                    Stop = ["no such text, but long"],
                });
                var text = await ReadAsync(answer.Output);
                await answer.Completion;
                var bytes = new ArrayBufferWriter<byte>();
                var drawn = session.Tokens[prompt.Length..].ToArray(); // without the last
                foreach (var token in drawn) tokenizer.AppendBytes(token, bytes, special: shown);
                Assert.StartsWith(Encoding.UTF8.GetString(bytes.WrittenSpan).TrimEnd('\uFFFD'), text, StringComparison.Ordinal);
                if (shown && drawn.Any(controls.Contains)) seen++;
            }
        }
    }

    [Fact]
    public async Task AReaderThatDoesNotReadMakesDecodingWait()
    {
        const int pause = 128;
        var expected = Likeliest(prompt, 150);
        // The token that fills the pipe is waited with: the session holds those before it.
        var (tokens, characters, bytes) = (0, new Utf8Stream(), new ArrayBufferWriter<byte>());
        for (; bytes.WrittenCount < pause; tokens++)
        {
            if (!engine.Tokenizer.IsControl(expected[tokens])) characters.Write(engine.Tokenizer.Bytes(expected[tokens]), bytes);
        }
        var held = prompt.Length + tokens - 1;

        using var session = engine.CreateSession();
        await using var answer = Start(session, prompt, new GenerationOptions { Sampling = Greedy, MaxTokens = expected.Length, PauseBytes = pause });
        await Until(() => session.Length == held);
        for (var i = 0; i < 20; i++)
        {
            await Task.Delay(5);
            Assert.Equal(held, session.Length);
        }
        Assert.False(answer.Completion.IsCompleted);

        Assert.Equal(Text(expected), await ReadAsync(answer.Output));
        Assert.Equal(FinishReason.MaxTokens, (await answer.Completion).Finish);
    }

    [Theory]
    [InlineData(64 * 1024)]
    [InlineData(64)] // cancelled while it waits for its reader
    public async Task CancellingEndsTheAnswerWithinAStep(int pause)
    {
        using var cancellation = new CancellationTokenSource();
        using var session = engine.CreateSession();
        await using var answer = Start(session, prompt, new GenerationOptions { Sampling = Greedy, PauseBytes = pause }, cancellation.Token);
        await Until(() => session.Length >= prompt.Length + 20);
        await cancellation.CancelAsync();
        var then = session.Length;
        var result = await answer.Completion;
        Assert.Equal(FinishReason.Cancelled, result.Finish);
        Assert.InRange(session.Length, then, then + 1);
        // What was generated can still be read.
        Assert.StartsWith(Text(session.Tokens[prompt.Length..][..15].ToArray()).TrimEnd('\uFFFD'), await ReadAsync(answer.Output), StringComparison.Ordinal);
    }

    [Fact]
    public async Task CancelledBeforeItBeginsThereIsNoAnswer()
    {
        using var session = engine.CreateSession();
        await using var answer = Start(session, prompt, new GenerationOptions { Sampling = Greedy }, new CancellationToken(canceled: true));
        Assert.Equal("", await ReadAsync(answer.Output));
        var result = await answer.Completion;
        Assert.Equal((FinishReason.Cancelled, 0, 0), (result.Finish, result.Tokens, session.Length));
    }

    [Fact]
    public async Task AReaderThatLeavesEndsTheAnswer()
    {
        using var session = engine.CreateSession();
        await using var answer = Start(session, prompt, new GenerationOptions { Sampling = Greedy });
        var read = await answer.Output.ReadAsync();
        answer.Output.AdvanceTo(read.Buffer.End);
        await answer.Output.CompleteAsync();
        var result = await answer.Completion;
        Assert.Equal(FinishReason.Cancelled, result.Finish);
        Assert.True(session.Length < session.ContextLength);
    }

    [Fact]
    public async Task StopStringsAreFoundAcrossTokens()
    {
        var tokens = Likeliest(prompt, 120);
        var whole = Text(tokens);
        // Three characters around every border of two tokens of printable ASCII.
        var tried = 0;
        for (var i = 20; i < 110 && tried < 4; i++)
        {
            var (left, right) = (Text(tokens[i..(i + 1)]), Text(tokens[(i + 1)..(i + 2)]));
            if (left.Length < 2 || right.Length < 2 || !(left + right).All(c => c is >= ' ' and <= '~')) continue;
            tried++;
            var stop = left[^2..] + right[..1];
            using var session = engine.CreateSession();
            await using var answer = Start(session, prompt, new GenerationOptions { Sampling = Greedy, MaxTokens = 200, Stop = ["never seen", stop] });
            Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], await ReadAsync(answer.Output));
            Assert.Equal(FinishReason.StopString, (await answer.Completion).Finish);
        }
        Assert.True(tried > 0);
    }

    [Fact]
    public async Task AStopStringThatDoesNotCompleteIsTextAfterAll()
    {
        var tokens = Likeliest(prompt, 30);
        var whole = Text(tokens);
        using var session = engine.CreateSession();
        await using var answer = Start(session, prompt, new GenerationOptions { Sampling = Greedy, MaxTokens = 30, Stop = [whole[^3..] + "something else"] });
        Assert.Equal(whole, await ReadAsync(answer.Output));
        Assert.Equal(FinishReason.MaxTokens, (await answer.Completion).Finish);
    }

    [Fact]
    public async Task TheEndOfTheTurnEndsTheAnswer()
    {
        var tokens = Likeliest(prompt, 30);
        var end = Array.FindIndex(tokens, 5, t => Array.IndexOf(tokens, t) >= 5);
        // The same model, but for the token that ends a turn.
        var path = Path.Combine(Path.GetTempPath(), $"wd-{Guid.NewGuid():N}.gguf");
        try
        {
            WriteWithEos(path, tokens[end]);
            using var other = Open(path);
            using var session = other.CreateSession();
            await using var answer = Generation.Start(session, other.Tokenizer, prompt, new GenerationOptions { Sampling = Greedy });
            Assert.Equal(Text(tokens[..end]), await ReadAsync(answer.Output));
            var result = await answer.Completion;
            Assert.Equal((FinishReason.EndOfTurn, end + 1), (result.Finish, result.Tokens));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData(0)] // the prompt alone fills the context: one token can still be told
    [InlineData(10)]
    public async Task AFullContextEndsTheAnswer(int room)
    {
        using var small = Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), context: prompt.Length + room);
        using var session = small.CreateSession();
        await using var answer = Generation.Start(session, small.Tokenizer, prompt, new GenerationOptions { Sampling = Greedy });
        Assert.Equal(Text(Likeliest(prompt, room + 1)), await ReadAsync(answer.Output));
        Assert.Equal((FinishReason.ContextFull, room + 1), ((await answer.Completion).Finish, (await answer.Completion).Tokens));
    }

    [Fact]
    public async Task PagesThatOthersTookEndTheAnswer()
    {
        // The cache has room for one full session; the other one's page is missing at the end.
        using var small = Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), context: 96);
        using var other = small.CreateSession();
        other.Append([1]);
        using var session = small.CreateSession();
        await using var answer = Generation.Start(session, small.Tokenizer, prompt, new GenerationOptions { Sampling = Greedy });
        Assert.StartsWith(Text(Likeliest(prompt, 40)), await ReadAsync(answer.Output), StringComparison.Ordinal);
        Assert.Equal(FinishReason.ContextFull, (await answer.Completion).Finish);
        Assert.Equal(64, session.Length);
    }

    [Fact]
    public async Task AContinuedConversationComputesOnlyWhatIsNew()
    {
        var options = new GenerationOptions { Sampling = Greedy, MaxTokens = 10 };
        using var session = engine.CreateSession();
        await RunAsync(session, prompt, options);
        int[] longer = [.. session.Tokens, .. Encode(" and more")];
        var held = session.Length;

        var (text, result) = await RunAsync(session, longer, options);
        Assert.Equal((longer.Length, held), (result.PromptTokens, result.CachedTokens));
        using (var fresh = engine.CreateSession()) Assert.Equal((await RunAsync(fresh, longer, options)).Text, text);

        // An edited past keeps what comes before the edit; the same prompt again all but its last token.
        int[] edited = [.. longer[..8], .. Encode("other")];
        var (editedText, editedResult) = await RunAsync(session, edited, options);
        Assert.Equal(session.Tokens[..edited.Length].CommonPrefixLength(longer), editedResult.CachedTokens);
        using (var fresh = engine.CreateSession()) Assert.Equal((await RunAsync(fresh, edited, options)).Text, editedText);
        var (again, againResult) = await RunAsync(session, edited, options);
        Assert.Equal((editedText, edited.Length - 1), (again, againResult.CachedTokens));
    }

    [Fact]
    public async Task DisposingLeavesTheSessionUsable()
    {
        var options = new GenerationOptions { Sampling = Greedy, MaxTokens = 20 };
        using var session = engine.CreateSession();
        var running = Start(session, prompt, new GenerationOptions { Sampling = Greedy });
        await Until(() => session.Length > prompt.Length + 3);
        await running.DisposeAsync();
        await running.DisposeAsync();
        Assert.Equal(FinishReason.Cancelled, (await running.Completion).Finish);
        Assert.Equal(Text(Likeliest(prompt, 20)), (await RunAsync(session, prompt, options)).Text);
    }

    [Fact]
    public async Task ErrorsReachTheReader()
    {
        var session = engine.CreateSession();
        session.Dispose();
        await using var answer = Start(session, prompt, new GenerationOptions());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => ReadAsync(answer.Output));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => answer.Completion);
    }

    [Fact]
    public void ImpossiblePromptsAreRefusedAtOnce()
    {
        using var small = Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), context: 4);
        using var session = small.CreateSession();
        Assert.Throws<ArgumentException>(() => Generation.Start(session, small.Tokenizer, [], new GenerationOptions()));
        var error = Assert.Throws<ContextFullException>(() => Generation.Start(session, small.Tokenizer, [1, 2, 3, 4, 5], new GenerationOptions()));
        Assert.Equal("the prompt has 5 tokens, the context has 4", error.Message);
    }

    [Fact]
    public async Task TheSeedInUseIsTold()
    {
        using var session = engine.CreateSession();
        var (text, first) = await RunAsync(session, prompt, new GenerationOptions { MaxTokens = 20 });
        var (again, _) = await RunAsync(session, prompt, new GenerationOptions { MaxTokens = 20, Sampling = new SamplerOptions { Seed = first.Seed } });
        Assert.Equal(text, again);
    }

    private static Engine Open(string path, int? context = null) =>
        Engine.Open(path, new EngineOptions { Backend = BackendKind.Cpu, Threads = 1, ContextLength = context });

    private static async Task<string> ReadAsync(PipeReader reader)
    {
        var all = new ArrayBufferWriter<byte>();
        while (true)
        {
            var read = await reader.ReadAsync();
            foreach (var segment in read.Buffer) all.Write(segment.Span);
            reader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted) return Strict.GetString(all.WrittenSpan);
        }
    }

    private static async Task Until(Func<bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60), "waited a minute");
            await Task.Delay(1);
        }
    }

    private static void WriteWithEos(string path, int eos)
    {
        using var file = ModelFile.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"));
        var writer = new GgufWriter("qwen3moe");
        foreach (var key in file.Metadata.Keys.Where(key => key is not ("general.architecture" or "tokenizer.ggml.eos_token_id"))) writer.Copy(file.Metadata, key);
        writer.Add("tokenizer.ggml.eos_token_id", (uint)eos);
        foreach (var t in file.Tensors) writer.Add(t.Name, t.Type, [.. t.Shape], s => Copy(t, s));
        using var stream = File.Create(path);
        writer.Write(stream);
    }

    private static unsafe void Copy(TensorView tensor, Stream to) => to.Write(new ReadOnlySpan<byte>(tensor.Data, (int)tensor.Bytes));

    private Generation Start(Session session, int[] tokens, GenerationOptions options, CancellationToken cancellation = default) =>
        Generation.Start(session, engine.Tokenizer, tokens, options, cancellation);

    private async Task<(string Text, GenerationResult Result)> RunAsync(Session session, int[] tokens, GenerationOptions options)
    {
        await using var answer = Start(session, tokens, options);
        return (await ReadAsync(answer.Output), await answer.Completion);
    }

    private int[] Encode(string text) => engine.Tokenizer.Encode(text, addSpecial: true, parseSpecial: false);

    private string Text(int[] tokens) => engine.Tokenizer.Decode(tokens);

    // The likeliest tokens, without any of the code under test.
    private int[] Likeliest(int[] before, int count)
    {
        using var session = engine.CreateSession();
        session.Append(before);
        var tokens = new int[count];
        for (var i = 0; i < count; i++)
        {
            var logits = session.Logits.ToArray();
            tokens[i] = Array.IndexOf(logits, logits.Max());
            Assert.DoesNotContain(tokens[i], engine.Tokenizer.EndOfTurn);
            session.Append(tokens.AsSpan(i, 1));
        }
        return tokens;
    }
}

/// <summary>The bytes allocated for each token of an answer, reading it included.</summary>
[Collection(nameof(Alone))]
public class GenerationAllocationTests
{
    [Theory]
    [InlineData(0.0)]
    [InlineData(0.8)]
    public async Task AnAnswerAllocatesNothingPerToken(double temperature)
    {
        using var engine = Engine.Open(
            TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Cpu, Threads = 1 });
        using var session = engine.CreateSession();
        var options = new GenerationOptions { Sampling = new SamplerOptions { Temperature = temperature, Seed = 1, RepeatPenalty = 1.3 }, Stop = ["never seen"] };
        var least = long.MaxValue;
        for (var attempt = 0; attempt < 5 && least > 0; attempt++)
        {
            await using var answer = Generation.Start(session, engine.Tokenizer, [1 + attempt, 2, 3], options);
            least = Math.Min(least, await Task.Run(() => AllocatedAsync(session, answer.Output)));
        }
        Assert.Equal(0, least);
    }

    // The test runner's own threads may allocate now and then: the least of several windows is ours alone. A window has 25 tokens,
    // and the reader was woken in it at least once.
    private static async Task<long> AllocatedAsync(Session session, PipeReader reader)
    {
        var (least, before, next, woken) = (long.MaxValue, 0L, 60, 0);
        while (true)
        {
            var reading = reader.ReadAsync();
            if (!reading.IsCompleted) woken++;
            var read = await reading;
            reader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted || session.Length > 400) return least;
            if (session.Length < next || woken == 0) continue;
            var now = GC.GetTotalAllocatedBytes(precise: true);
            if (before > 0) least = Math.Min(least, now - before);
            (before, next, woken) = (now, session.Length + 25, 0);
        }
    }
}
