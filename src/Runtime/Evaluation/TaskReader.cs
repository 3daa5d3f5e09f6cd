using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using System.Text.Unicode;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>Reads a task file line by line; the file is hostile until checked.</summary>
internal sealed class TaskReader
{
    public const long MostBytes = 1L << 30;
    public const int MostItems = 1_000_000;
    public const int MostTokens = 1_000_000;
    private const int MostLineBytes = 16 << 20;
    private const int MostChoices = 64;
    private const int MostTexts = 1000;   // answers, stop strings, messages
    private const string HalfPair = "half of a surrogate pair (\\uD800 to \\uDFFF)";
    private const int MostPattern = 64 << 10; // characters

    /// <summary>A pattern that takes longer on an answer backtracks without end, for all that matters.</summary>
    public static readonly TimeSpan PatternTime = TimeSpan.FromSeconds(1);

    private static readonly string[] ChoiceFields = ["id", "category", "context", "messages", "choices", "answer"];
    private static readonly string[] GenerationFields = ["id", "category", "prompt", "messages", "answer", "answers", "regex", "max_tokens", "stop"];
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    private readonly string file;
    private int line;

    private TaskReader(string file) => this.file = file;

    public static List<TaskItem> Read(string file, ReadOnlyMemory<byte> bytes, int most, CancellationToken cancellation)
    {
        var reader = new TaskReader(file);
        if (bytes.Span.StartsWith("\uFEFF"u8)) bytes = bytes[3..];
        var items = new List<TaskItem>();
        while (bytes.Length > 0 && items.Count < most)
        {
            cancellation.ThrowIfCancellationRequested();
            var end = bytes.Span.IndexOf((byte)'\n');
            var text = end < 0 ? bytes : bytes[..end];
            bytes = end < 0 ? default : bytes[(end + 1)..];
            reader.line++;
            if (text.Length > MostLineBytes) reader.Throw("a line is too long", null, $"at most {MostLineBytes} bytes", $"{text.Length}");
            if (text.Span.IndexOfAnyExcept(" \t\r"u8) < 0) continue;
            if (items.Count == MostItems) reader.Throw("too many items", null, $"at most {MostItems}", "more");
            items.Add(reader.ReadItem(text));
        }
        if (items.Count == 0) EvalFileException.Throw("there are no items", file, advice: "Give a file with one JSON object a line.");
        return items;
    }

    private TaskItem ReadItem(ReadOnlyMemory<byte> text)
    {
        if (!Utf8.IsValid(text.Span)) Throw("the line is not text", null, "UTF-8", "other bytes");
        try
        {
            using var document = JsonDocument.Parse(text, Strict);
            return ReadItem(document.RootElement);
        }
        catch (JsonException e)
        {
            // The reader counts from the line's beginning; its own line number is always 0 here.
            throw new EvalFileException(
                $"the line is not JSON from byte {e.BytePositionInLine ?? 0} on", file, line, null, "one JSON object, each field once", Reason(e), inner: e);
        }
        catch (InvalidOperationException e) // of a name; of a value, Text says which
        {
            throw new EvalFileException("a field's name is unusable", file, line, null, "well-formed text", HalfPair, inner: e);
        }
    }

    private TaskItem ReadItem(JsonElement item)
    {
        if (item.ValueKind != JsonValueKind.Object) Throw("the line is not an item", null, "a JSON object", Show(item));
        var isChoice = item.TryGetProperty("choices", out var choices);
        var known = isChoice ? ChoiceFields : GenerationFields;
        foreach (var field in item.EnumerateObject())
        {
            if (!known.Contains(field.Name, StringComparer.Ordinal))
                Throw($"unknown field of a {(isChoice ? "multiple-choice" : "generation")} item", field.Name, string.Join(", ", known), "another name");
        }
        var textField = isChoice ? "context" : "prompt";
        var hasText = item.TryGetProperty(textField, out var text);
        var hasMessages = item.TryGetProperty("messages", out var messages);
        if (hasText == hasMessages) Throw("the item has no question", null, $"either {textField} or messages{(isChoice ? "" : " (and choices, if it is a multiple choice)")}", hasText ? "both" : "neither");
        var read = new TaskItem
        {
            Line = line,
            Id = item.TryGetProperty("id", out var id) ? Label("id", id) : null,
            Category = item.TryGetProperty("category", out var category) ? Label("category", category) : null,
            Text = hasText ? Text(textField, text) : null,
            Messages = hasMessages ? Messages(messages) : null,
            Choices = isChoice ? Texts("choices", choices, 2, MostChoices) : null,
            RightChoice = isChoice ? RightChoice(item, choices.GetArrayLength()) : 0,
            Answers = isChoice ? [] : Answers(item),
            Pattern = !isChoice && item.TryGetProperty("regex", out var pattern) ? Pattern(pattern) : null,
            MaxTokens = !isChoice && item.TryGetProperty("max_tokens", out var most) ? MaxTokens(most) : null,
            Stop = !isChoice && item.TryGetProperty("stop", out var stop) ? TextOrTexts("stop", stop) : [],
        };
        if (!isChoice && read.Answers.Length == 0 && read.Pattern is null)
            Throw("the item has no answer", null, "answer, answers or regex (or choices, if it is a multiple choice)", "none");
        return read;
    }

    private string[] Answers(JsonElement item)
    {
        var hasOne = item.TryGetProperty("answer", out var answer);
        if (!item.TryGetProperty("answers", out var answers)) return hasOne ? [Text("answer", answer)] : [];
        if (hasOne) Throw("the item has two fields for one thing:", "answers", "answer or answers", "both");
        return Texts("answers", answers, 1, MostTexts);
    }

    private int RightChoice(JsonElement item, int count)
    {
        var letters = $"'A' to '{(char)('A' + Math.Min(count, 26) - 1)}'";
        var expected = $"the right choice, 0 to {count - 1} or {letters}";
        if (!item.TryGetProperty("answer", out var answer)) Throw("the item lacks", "answer", expected, "nothing");
        if (answer.ValueKind == JsonValueKind.Number && answer.TryGetInt32(out var index) && index >= 0 && index < count) return index;
        if (answer.ValueKind == JsonValueKind.String && Text("answer", answer) is [var letter] && char.IsAsciiLetter(letter))
        {
            var place = char.ToUpperInvariant(letter) - 'A';
            if (place < count) return place;
        }
        Throw("unusable", "answer", expected, Show(answer));
        return default;
    }

    private List<ChatMessage> Messages(JsonElement messages)
    {
        if (messages.ValueKind != JsonValueKind.Array || messages.GetArrayLength() is 0 or > MostTexts)
            Throw("unusable", "messages", $"1 to {MostTexts} messages {{role, content}}", Show(messages));
        var read = new List<ChatMessage>(messages.GetArrayLength());
        foreach (var message in messages.EnumerateArray())
        {
            var field = $"messages[{read.Count}]";
            if (message.ValueKind != JsonValueKind.Object) Throw("unusable", field, "an object {role, content}", Show(message));
            foreach (var part in message.EnumerateObject())
            {
                if (part.Name is not ("role" or "content")) Throw("unknown field", $"{field}.{part.Name}", "role, content", "another name");
            }
            if (!message.TryGetProperty("role", out var role)) Throw("the message lacks", $"{field}.role", "a role", "nothing");
            if (!message.TryGetProperty("content", out var content)) Throw("the message lacks", $"{field}.content", "a text", "nothing");
            var who = Text($"{field}.role", role);
            if (who is not ("system" or "user" or "assistant")) Throw("unusable", $"{field}.role", "system, user or assistant", who);
            read.Add(new ChatMessage(who, Text($"{field}.content", content)));
        }
        if (read[^1].Role != "user") Throw("unusable", $"messages[{read.Count - 1}].role", "user: the last message is the one to answer", read[^1].Role);
        return read;
    }

    private string Pattern(JsonElement value)
    {
        var pattern = Text("regex", value);
        if (pattern.Length is 0 or > MostPattern) Throw("unusable", "regex", $"1 to {MostPattern} characters", $"{pattern.Length}");
        try
        {
            TaskItem.Compile(pattern, ignoreCase: false);
        }
        catch (ArgumentException e)
        {
            throw new EvalFileException("unusable", file, line, "regex", "a .NET regular expression", e.Message, inner: e);
        }
        return pattern;
    }

    private int MaxTokens(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var most) && most is > 0 and <= MostTokens) return most;
        Throw("unusable", "max_tokens", $"a whole number from 1 to {MostTokens}", Show(value));
        return default;
    }

    // A name for people, mostly a text, at times a number.
    private string Label(string field, JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Number) return value.GetRawText();
        return Text(field, value);
    }

    private string[] TextOrTexts(string field, JsonElement value)
    {
        var texts = value.ValueKind == JsonValueKind.String ? [Text(field, value)] : Texts(field, value, 0, MostTexts);
        if (texts.Contains("", StringComparer.Ordinal)) Throw("unusable", field, "texts that are not empty", "\"\"");
        return texts;
    }

    private string[] Texts(string field, JsonElement value, int least, int most)
    {
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() < least || value.GetArrayLength() > most)
            Throw("unusable", field, $"a list of {least} to {most} texts", Show(value));
        var texts = new string[value.GetArrayLength()];
        for (var i = 0; i < texts.Length; i++) texts[i] = Text($"{field}[{i}]", value[i]);
        return texts;
    }

    private string Text(string field, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.String) Throw("unusable", field, "a text", Show(value));
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new EvalFileException("unusable", file, line, field, "well-formed text", HalfPair, inner: e);
        }
    }

    private static string Show(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => $"a list of {value.GetArrayLength().ToString(CultureInfo.InvariantCulture)}",
        JsonValueKind.Object => "an object",
        _ => value.GetRawText(),
    };

    private static string Reason(JsonException e)
    {
        var place = e.Message.IndexOf(" LineNumber:", StringComparison.Ordinal); // said in words of our own
        return place < 0 ? e.Message : e.Message[..place];
    }

    [DoesNotReturn]
    private void Throw(string what, string? field, string expected, string found) => EvalFileException.Throw(what, file, line, field, expected, found);
}
