using System.Text;
using WarpDecode.Runtime.Evaluation;
using Xunit;

namespace WarpDecode.Runtime.Tests.Evaluation;

public sealed class TaskReaderTests : IDisposable
{
    private const string Good = """{"id": 7, "category": "c", "context": "a", "choices": ["b", "c"], "answer": "B"}""";
    private readonly TaskFiles files = new();

    public void Dispose() => files.Dispose();

    [Fact]
    public void ReadsAllForms()
    {
        var items = files.Task(
            "\uFEFF" + Good,
            "",
            """{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "choices": ["x", "y"], "answer": 0}""" + "\r",
            """{"prompt": "p", "answer": "q", "max_tokens": 3, "stop": "\n"}""",
            """{"prompt": "p", "answers": ["q", "r"], "stop": ["a", "b"]}""",
            """{"prompt": "p", "answer": "shown", "regex": "^r+$"}""").Items;
        Assert.Equal([1, 3, 4, 5, 6], items.Select(item => item.Line));
        Assert.Equal(("7", "c", "a", 1), (items[0].Id, items[0].Category, items[0].Text, items[0].RightChoice));
        Assert.Equal(["b", "c"], items[0].Choices!);
        Assert.Equal(["system", "user"], items[1].Messages!.Select(message => message.Role));
        Assert.Equal((3, "\n"), (items[2].MaxTokens, Assert.Single(items[2].Stop)));
        Assert.Equal(["q", "r"], items[3].Answers);
        Assert.Equal("^r+$", items[4].Pattern);
    }

    [Fact]
    public void ReadsTheFirstOnes()
    {
        var path = files.Write("task.jsonl", Good + "\n" + Good + "\nnot an item\n");
        Assert.Equal(2, EvalTask.Read(path, 2).Count);
        Assert.Throws<EvalFileException>(() => EvalTask.Read(path));
    }

    [Theory]
    [InlineData("", "there are no items")]
    [InlineData("[1]", "expected a JSON object, found a list of 1")]
    [InlineData("{", "the line is not JSON")]
    [InlineData("""{"prompt": "p", "answer": "a"} x""", "the line is not JSON from byte 31 on")]
    [InlineData("""{"prompt": "p", "prompt": "q", "answer": "a"}""", "each field once")]
    [InlineData("""{"prompt": "p", "anwser": "a"}""", "unknown field of a generation item 'anwser': expected id, category, prompt")]
    [InlineData("""{"context": "p", "answer": "a"}""", "unknown field of a generation item 'context'")]
    [InlineData("""{"prompt": "p", "choices": ["a", "b"], "answer": 0}""", "unknown field of a multiple-choice item 'prompt'")]
    [InlineData("""{"answer": "a"}""", "either prompt or messages (and choices, if it is a multiple choice), found neither")]
    [InlineData("""{"choices": ["a", "b"], "answer": 0}""", "either context or messages, found neither")]
    [InlineData("""{"prompt": "p", "messages": [], "answer": "a"}""", "found both")]
    [InlineData("""{"prompt": "p"}""", "the item has no answer")]
    [InlineData("""{"prompt": "p", "answers": []}""", "'answers': expected a list of 1 to 1000 texts, found a list of 0")]
    [InlineData("""{"prompt": "p", "answer": "a", "answers": ["a"]}""", "answer or answers, found both")]
    [InlineData("""{"prompt": "p", "answers": ["a", 3]}""", "'answers[1]': expected a text, found 3")]
    [InlineData("""{"prompt": 5, "answer": "a"}""", "'prompt': expected a text, found 5")]
    [InlineData("""{"prompt": "p", "answer": null}""", "'answer': expected a text, found null")]
    [InlineData("""{"prompt": "p", "regex": "(a"}""", "'regex': expected a .NET regular expression")]
    [InlineData("""{"prompt": "p", "regex": ""}""", "'regex': expected 1 to")]
    [InlineData("""{"prompt": "p", "answer": "a", "max_tokens": 0}""", "'max_tokens': expected a whole number from 1 to 1000000, found 0")]
    [InlineData("""{"prompt": "p", "answer": "a", "max_tokens": 1.5}""", "found 1.5")]
    [InlineData("""{"prompt": "p", "answer": "a", "stop": ""}""", "'stop': expected texts that are not empty")]
    [InlineData("""{"prompt": "\ud800", "answer": "a"}""", "'prompt': expected well-formed text, found half of a surrogate pair")]
    [InlineData("""{"\ud800": "p", "answer": "a"}""", "half of a surrogate pair")]
    [InlineData("""{"context": "p", "choices": ["a"], "answer": 0}""", "'choices': expected a list of 2 to 64 texts, found a list of 1")]
    [InlineData("""{"context": "p", "choices": "ab", "answer": 0}""", "'choices'")]
    [InlineData("""{"context": "p", "choices": ["a", {}], "answer": 0}""", "'choices[1]': expected a text, found an object")]
    [InlineData("""{"context": "p", "choices": ["a", "b"]}""", "the item lacks 'answer': expected the right choice, 0 to 1 or 'A' to 'B', found nothing")]
    [InlineData("""{"context": "p", "choices": ["a", "b"], "answer": 2}""", "found 2")]
    [InlineData("""{"context": "p", "choices": ["a", "b"], "answer": -1}""", "found -1")]
    [InlineData("""{"context": "p", "choices": ["a", "b"], "answer": "C"}""", "found \"C\"")]
    [InlineData("""{"context": "p", "choices": ["a", "b"], "answer": "1"}""", "found \"1\"")]
    [InlineData("""{"context": "p", "choices": ["a", "b"], "answer": 99999999999}""", "found 99999999999")]
    [InlineData("""{"messages": [], "answer": "a"}""", "'messages': expected 1 to 1000 messages")]
    [InlineData("""{"messages": ["hi"], "answer": "a"}""", "'messages[0]': expected an object {role, content}, found \"hi\"")]
    [InlineData("""{"messages": [{"role": "user"}], "answer": "a"}""", "the message lacks 'messages[0].content'")]
    [InlineData("""{"messages": [{"content": "x"}], "answer": "a"}""", "the message lacks 'messages[0].role'")]
    [InlineData("""{"messages": [{"role": "user", "content": "x", "name": "n"}], "answer": "a"}""", "unknown field 'messages[0].name'")]
    [InlineData("""{"messages": [{"role": "tool", "content": "x"}], "answer": "a"}""", "'messages[0].role': expected system, user or assistant, found tool")]
    [InlineData("""{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], "answer": "a"}""", "'messages[1].role': expected user")]
    public void AnErrorIsLocated(string line, string message)
    {
        var path = files.Write("task.jsonl", line.Length == 0 ? "\n" : Good + "\n\n" + line);
        var error = Assert.Throws<EvalFileException>(() => EvalTask.Read(path));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.StartsWith(line.Length == 0 ? path + ": " : path + ":3: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ControlCharactersOfTheFileDoNotReachTheTerminal()
    {
        var path = files.Write("task.jsonl", """{"prompt": "p", "\u001b[2J\u202e": 1}""");
        var message = Assert.Throws<EvalFileException>(() => EvalTask.Read(path)).Message;
        Assert.DoesNotContain(message, c => c is '\u001b' or '\u202e');
    }

    [Fact]
    public void BytesThatAreNoTextAreRefused()
    {
        var path = files.PathOf("task.jsonl");
        File.WriteAllBytes(path, [.. "{\"prompt\": \""u8, 0xFF, .. "\", \"answer\": \"a\"}"u8]);
        Assert.Contains(":1: the line is not text: expected UTF-8", Assert.Throws<EvalFileException>(() => EvalTask.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DepthAndLengthAreLimited()
    {
        var deep = files.Write("deep.jsonl", """{"prompt": """ + new string('[', 100_000));
        Assert.Throws<EvalFileException>(() => EvalTask.Read(deep));
        var many = files.Write("many.jsonl", $$"""{"context": "p", "choices": [{{string.Join(',', Enumerable.Repeat("\"a\"", 65))}}], "answer": 0}""");
        Assert.Contains("a list of 2 to 64 texts, found a list of 65", Assert.Throws<EvalFileException>(() => EvalTask.Read(many)).Message, StringComparison.Ordinal);
        var wide = files.Write("wide.jsonl", $$"""{"prompt": "{{new string('x', 17 << 20)}}", "answer": "a"}""");
        Assert.Contains("a line is too long", Assert.Throws<EvalFileException>(() => EvalTask.Read(wide)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DamageOfAnyKindIsAnErrorOfTheFile()
    {
        var random = new Random(1);
        var sound = Encoding.UTF8.GetBytes("""{"id": "ä", "category": "c", "messages": [{"role": "user", "content": "\u00e9"}], "answers": ["b", "c"], "regex": "a[b-c]{1,2}", "stop": ["x"], "max_tokens": 5}""");
        var path = files.PathOf("damaged.jsonl");
        var read = 0;
        for (var round = 0; round < 3000; round++)
        {
            var bytes = (byte[])sound.Clone();
            for (var n = random.Next(1, 4); n > 0; n--) bytes[random.Next(bytes.Length)] = (byte)random.Next(round % 2 == 0 ? 128 : 256);
            File.WriteAllBytes(path, bytes[..(random.Next(4) == 0 ? random.Next(1, bytes.Length) : bytes.Length)]);
            try
            {
                EvalTask.Read(path);
                read++;
            }
            catch (EvalFileException e)
            {
                Assert.StartsWith(path, e.Message, StringComparison.Ordinal);
            }
        }
        Assert.InRange(read, 1, 2999); // damage within a text is a text
    }

    [Fact]
    public void CancellingEndsReading() => Assert.Throws<OperationCanceledException>(() =>
        EvalTask.Read(files.Write("task.jsonl", Good), cancellation: new CancellationToken(canceled: true)));
}
