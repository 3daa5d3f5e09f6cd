using System.Security.Cryptography;
using System.Text;
using WarpDecode.Formats;
using WarpDecode.Runtime.Evaluation;
using WarpDecode.Runtime.Grammars;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Embedding;

/// <summary>What the documentation says may be used from many threads gives eight of them what it gives one.</summary>
public class ThreadSafetyTests
{
    private static readonly string Model = TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf");

    [Theory]
    [InlineData("qwen3_moe/qwen3_moe-bf16.gguf")]
    [InlineData("mixtral/mixtral-Q2_K.gguf")]
    public void Tokenizers(string model)
    {
        using var file = ModelFile.Open(TestData.Golden(model));
        var texts = Texts();
        var one = Tokenizer.FromMetadata(file);
        var expected = texts.Select(text => one.Encode(text, addSpecial: true, parseSpecial: true)).ToArray();
        var back = expected.Select(ids => one.Decode(ids, special: true)).ToArray();
        var shared = Tokenizer.FromMetadata(file); // one whose caches are empty
        Threads.Run(thread =>
        {
            for (var i = 0; i < texts.Length; i++)
            {
                var at = (i + (thread * 7)) % texts.Length;
                Assert.Equal(expected[at], shared.Encode(texts[at], addSpecial: true, parseSpecial: true));
                Assert.Equal(back[at], shared.Decode(expected[at], special: true));
            }
        });
    }

    [Fact]
    public void Templates()
    {
        const string text = """
            {%- macro said(m) -%}<{{ m.role }}>{{ m.content | trim | upper }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{%- endmacro -%}
            {%- set seen = namespace(count=0) -%}
            {%- for m in messages %}{% set seen.count = seen.count + loop.index %}{{ said(m) }}{{ seen.count }}
            {% endfor %}{% if tools %}{{ tools | tojson }}{% endif %}{% if add_generation_prompt %}<assistant>{% endif %}
            """;
        var template = ChatTemplate.Parse(text, "a test");
        IReadOnlyList<ChatMessage>[] conversations = [.. Enumerable.Range(1, 24).Select(n =>
            (IReadOnlyList<ChatMessage>)[.. Enumerable.Range(0, n).Select(i => new ChatMessage(i % 2 == 0 ? "user" : "assistant", $" word {i * n} "))])];
        TemplateOptions Options(int i) => new()
        {
            AddGenerationPrompt = i % 2 == 0,
            EosToken = $"</{i}>",
            Tools = i % 3 == 0 ? [new ToolDefinition($"tool{i}", "does it", """{"type":"object"}""")] : [],
        };
        var expected = conversations.Select((messages, i) => template.Render(messages, Options(i))).ToArray();
        Assert.Equal(expected.Length, expected.Distinct().Count());
        Threads.Run(thread =>
        {
            for (var i = 0; i < 10 * expected.Length; i++)
            {
                var at = (i + thread) % expected.Length;
                Assert.Equal(expected[at], template.Render(conversations[at], Options(at)));
            }
        });
    }

    [Fact]
    public void Grammars()
    {
        using var file = ModelFile.Open(Model);
        var tokenizer = Tokenizer.FromMetadata(file);
        const string schema = """{"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}}, "b": {"enum": ["x", "yy", null]}}, "required": ["a"]}""";
        var expected = Enumerable.Range(0, 40).Select(seed => Walk(Grammar.FromJsonSchema(schema), tokenizer, seed)).ToArray();
        var shared = Grammar.FromJsonSchema(schema);
        Threads.Run(thread =>
        {
            for (var i = 0; i < expected.Length; i++)
            {
                var seed = (i + (thread * 5)) % expected.Length;
                Assert.Equal(expected[seed], Walk(shared, tokenizer, seed));
                Assert.True(shared.Matches("""{"a": [1, 2]}"""u8));
                Assert.False(shared.Matches("""{"b": 1}"""u8));
            }
        });
    }

    [Fact]
    public void ModelFiles()
    {
        using var file = ModelFile.Open(Model);
        var expected = Read(file, 0);
        Threads.Run(thread => Assert.Equal(expected, Read(file, thread)));

        static string Read(ModelFile file, int from)
        {
            var parts = new string[file.Metadata.Keys.Count + file.Tensors.Count];
            for (var i = 0; i < parts.Length; i++)
            {
                var at = (i + (from * 3)) % parts.Length;
                if (at < file.Metadata.Keys.Count)
                {
                    var key = file.Metadata.Keys[at];
                    parts[at] = $"{key} {file.Metadata.Describe(key)} {file.Metadata.Show(key, 2000)}";
                    continue;
                }
                var tensor = file.Find(file.Tensors[at - file.Metadata.Keys.Count].Name)!;
                var bytes = new byte[tensor.Bytes];
                tensor.CopyRows(0, tensor.Rows, bytes);
                parts[at] = $"{tensor} {Convert.ToHexString(SHA256.HashData(bytes))}";
            }
            return string.Join('\n', parts);
        }
    }

    [Fact]
    public void WhatAnEngineReadsOnceIsOne()
    {
        using var engine = Open(1);
        var found = new (Tokenizer Tokenizer, ChatTemplate Template, AnswerFormat Format)[Threads.Count];
        Threads.Run(thread => found[thread] = (engine.Tokenizer, engine.Template, AnswerFormat.Of(engine)));
        Assert.All(found, one => Assert.Same(engine.Tokenizer, one.Tokenizer));
        Assert.All(found, one => Assert.Same(engine.Template, one.Template));
        Assert.Single(found.Select(one => one.Format.Name).Distinct());
    }

    [Fact]
    public void SessionsOfAnEngine()
    {
        using var engine = Open(2 * Threads.Count);
        var expected = Enumerable.Range(0, Threads.Count).Select(thread => Converse(engine, thread)).ToArray();
        Threads.Run(thread => Assert.Equal(expected[thread], Converse(engine, thread)));
        Assert.Equal(engine.PagesPerSession * 2 * Threads.Count, engine.FreePages);

        // A prompt, tokens one by one, a fork that goes another way, a way back: the bits of all logits on the way.
        static string Converse(Engine engine, int seed)
        {
            var random = new Random(seed);
            int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(engine.Vocabulary))];
            var text = new StringBuilder();
            using var session = engine.CreateSession();
            session.Append(Tokens(5 + (9 * seed)));
            for (var i = 0; i < 6; i++)
            {
                Add(session);
                session.Append(Tokens(1));
                using var fork = session.Fork();
                fork.Append(Tokens(3), (_, logits) => text.Append(BitConverter.SingleToInt32Bits(logits[seed])).Append(' '));
                Add(fork);
                if (i % 2 == 0) session.Rewind(session.Length - 2);
                session.Append(Tokens(1));
            }
            Add(session);
            return text.ToString();

            void Add(Session from) => text.Append(Convert.ToHexString(SHA256.HashData(System.Runtime.InteropServices.MemoryMarshal.AsBytes(from.Logits)))).Append(' ');
        }
    }

    [Fact]
    public void Scorings()
    {
        using var engine = Open(4 * 20);
        ScoringItem[] items = [.. Enumerable.Range(0, 6).Select(i => new ScoringItem($"The license number {i} is", [" free", " not free of charge", $" {i}"]))];
        var expected = Show(Scoring.Score(engine, items));
        Threads.Run(_ => Assert.Equal(expected, Show(Scoring.Score(engine, items))), count: 4);

        static string Show(IReadOnlyList<IReadOnlyList<ContinuationScore>> scores) => string.Join(' ', scores.SelectMany(all => all).Select(score => $"{score.LogProbability:R}"));
    }

    // Texts in several scripts, long words and short ones, with the texts of control tokens.
    private static string[] Texts()
    {
        var random = new Random(5);
        string[] words = ["the", " license", "naïve", "日本語", "🦙🦙", "<|im_start|>", "</s>", "x\u0301", "\n\n", "12345", "…", new string('a', 70), "été", "\t"];
        return [.. Enumerable.Range(0, 60).Select(i => string.Concat(Enumerable.Range(0, 1 + (i % 17)).Select(_ => words[random.Next(words.Length)] + (random.Next(2) == 0 ? " " : ""))))];
    }

    /// <summary>Tokens that a grammar allows, chosen by a seed, and what it allowed on the way.</summary>
    private static string Walk(Grammar grammar, Tokenizer tokenizer, int seed)
    {
        var random = new Random(seed);
        var constraint = new GrammarConstraint(grammar, tokenizer, TinyModelVocabulary);
        var way = new StringBuilder();
        for (var i = 0; i < 30; i++)
        {
            var allowed = new List<int>();
            for (var id = 0; id < TinyModelVocabulary; id++)
            {
                if ((constraint.Allowed[id / 64] >> (id % 64) & 1) != 0) allowed.Add(id);
            }
            var token = allowed[random.Next(allowed.Count)];
            way.Append(allowed.Count).Append(':').Append(token).Append(' ');
            constraint.Accept(token);
            if (tokenizer.EndOfTurn.Contains(token)) break;
        }
        return way.ToString();
    }

    private const int TinyModelVocabulary = 512;

    private static Engine Open(int sessions) =>
        Engine.Open(Model, new EngineOptions { Backend = BackendKind.Cpu, Threads = 1, Sessions = sessions, ContextLength = 128, PrefillTokens = 24 });
}
