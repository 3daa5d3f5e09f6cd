using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>
/// The results of a run, a JSON object a line: first what was run (<see cref="Header"/>), then each item as it is finished, in any
/// order. A run that was ended anywhere goes on from its file: a last line without its newline was being written and is dropped.
/// </summary>
/// <remarks>
/// What is read back is what the model computed; whether it is right is judged again, so the fields for people (<c>acc</c>,
/// <c>acc_norm</c>, <c>right</c>) are not read.
/// </remarks>
internal sealed class ResultsFile : IDisposable
{
    private const int Version = 1;
    private const string Mark = "{\"wd_run_eval\":";
    private const string Anew = "Use --restart to start anew, or --out for another file.";
    private readonly FileStream stream;
    private readonly string path;

    private ResultsFile(FileStream stream, string path) => (this.stream, this.path) = (stream, path);

    /// <summary>Opens the file or begins it, for this run alone.</summary>
    /// <param name="path">Where.</param>
    /// <param name="header">What is run.</param>
    /// <param name="task">The items.</param>
    /// <param name="restart">Forgets what the file holds.</param>
    /// <param name="done">The results it holds.</param>
    /// <exception cref="EvalFileException">It is of another run, damaged, or no file of results.</exception>
    /// <exception cref="IOException">It cannot be opened, for example because another run writes to it.</exception>
    public static ResultsFile Open(string path, Header header, EvalTask task, bool restart, out List<ItemResult> done)
    {
        var stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        try
        {
            var file = new ResultsFile(stream, path);
            done = file.Resume(header, task, restart);
            return file;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Appends a result; with the return it outlives the process.</summary>
    public void Append(EvalTask task, ItemResult result, Verdict verdict) => WriteLine(w =>
    {
        var item = task.Items[result.Index];
        w.WriteNumber("item", result.Index);
        w.WriteNumber("line", item.Line);
        if (item.Id is not null) w.WriteString("id", item.Id);
        if (item.Category is not null) w.WriteString("category", item.Category);
        if (result.Scores is not null)
        {
            w.WriteStartArray("scores");
            foreach (var score in result.Scores) w.WriteNumberValue(score); // so many digits that reading gives the same bits
            w.WriteEndArray();
            w.WriteBoolean("acc", verdict.Right);
            w.WriteBoolean("acc_norm", verdict.RightByLength);
            return;
        }
        w.WriteString("output", result.Output);
        w.WriteNumber("tokens", result.Tokens);
        w.WriteString("finish", result.Finish.ToString());
        w.WriteBoolean("right", verdict.Right);
    });

    public void Dispose() => stream.Dispose();

    private List<ItemResult> Resume(Header header, EvalTask task, bool restart)
    {
        var bytes = ReadAll();
        if (!LooksLikeOurs(bytes))
            EvalFileException.Throw("this is no file of results", path, 1, null, $"a line that begins with {Mark}", bytes.Length > 60 ? "another text" : Encoding.UTF8.GetString(bytes), "Name another file with --out; this one is left as it is.");
        var whole = bytes.AsSpan().LastIndexOf((byte)'\n') + 1;
        if (restart || whole == 0)
        {
            stream.SetLength(0);
            WriteLine(header.Write);
            return [];
        }
        var lines = Lines(bytes, whole);
        CheckHeader(lines[0], header);
        var done = new List<ItemResult>(lines.Count - 1);
        var seen = new bool[task.Count];
        for (var i = 1; i < lines.Count; i++)
        {
            var result = Parse(lines[i], i + 1, root => ReadResult(root, i + 1, task));
            if (seen[result.Index]) Throw("the item occurs twice:", i + 1, "item", "each item once", $"{result.Index}");
            seen[result.Index] = true;
            done.Add(result);
        }
        stream.SetLength(whole);
        stream.Seek(0, SeekOrigin.End);
        return done;
    }

    private byte[] ReadAll()
    {
        if (stream.Length > Array.MaxLength) Throw("the file is too large", null, null, $"at most {Array.MaxLength} bytes", $"{stream.Length}");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    // Empty, or what a run that was killed at once left of its first line, counts as ours.
    private static bool LooksLikeOurs(ReadOnlySpan<byte> bytes)
    {
        var length = Math.Min(bytes.Length, Mark.Length);
        return bytes[..length].SequenceEqual(Encoding.ASCII.GetBytes(Mark).AsSpan(0, length));
    }

    private static List<ReadOnlyMemory<byte>> Lines(byte[] bytes, int whole)
    {
        var lines = new List<ReadOnlyMemory<byte>>();
        for (var start = 0; start < whole;)
        {
            var end = start + bytes.AsSpan(start).IndexOf((byte)'\n');
            lines.Add(bytes.AsMemory(start..end));
            start = end + 1;
        }
        return lines;
    }

    private void CheckHeader(ReadOnlyMemory<byte> line, Header header)
    {
        var different = new List<string>();
        Parse(line, 1, root =>
        {
            var version = root.GetProperty("wd_run_eval");
            if (version.ValueKind != JsonValueKind.Number || !version.TryGetInt32(out var number) || number != Version)
                Throw("results of another version of wd-run:", 1, "wd_run_eval", $"{Version}", version.GetRawText());
            foreach (var (name, value) in header.Compared)
            {
                var found = root.TryGetProperty(name, out var old) && old.ValueKind == JsonValueKind.String ? old.GetString()! : "nothing";
                if (found != value) different.Add($"{name} was {Short(found)} and is {Short(value)}");
            }
            return 0;
        });
        if (different.Count > 0) EvalFileException.Throw($"the results are of another run: {string.Join("; ", different)}", path, 1, advice: Anew);
    }

    private ItemResult ReadResult(JsonElement root, int line, EvalTask task)
    {
        var index = Number(root, line, "item", task.Count - 1);
        if (task.Items[index].Choices is not { } choices)
        {
            if (!root.TryGetProperty("output", out var output) || output.ValueKind != JsonValueKind.String) Throw("unusable", line, "output", "a text", "something else");
            FinishReason reason = default;
            if (!root.TryGetProperty("finish", out var finish) || finish.ValueKind != JsonValueKind.String || !Enum.TryParse(finish.GetString(), out reason))
                Throw("unusable", line, "finish", string.Join(", ", Enum.GetNames<FinishReason>()), "something else");
            return new ItemResult(index, null, output.GetString(), Number(root, line, "tokens", int.MaxValue), reason);
        }
        if (!root.TryGetProperty("scores", out var scores) || scores.ValueKind != JsonValueKind.Array || scores.GetArrayLength() != choices.Length)
            Throw("unusable", line, "scores", $"{choices.Length} numbers", "something else");
        var values = new double[choices.Length];
        for (var i = 0; i < values.Length; i++)
        {
            if (scores[i].ValueKind != JsonValueKind.Number || !scores[i].TryGetDouble(out values[i]) || !double.IsFinite(values[i]))
                Throw("unusable", line, $"scores[{i}]", "a number", scores[i].GetRawText());
        }
        return new ItemResult(index, values);
    }

    private int Number(JsonElement root, int line, string name, int most)
    {
        if (root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= 0 && number <= most) return number;
        Throw("unusable", line, name, $"a whole number from 0 to {most}", root.TryGetProperty(name, out value) ? value.GetRawText() : "nothing");
        return default;
    }

    private T Parse<T>(ReadOnlyMemory<byte> line, int number, Func<JsonElement, T> read)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            if (document.RootElement.ValueKind != JsonValueKind.Object) Throw("the line is damaged", number, null, "a JSON object", "another value");
            return read(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // the latter for text that is not well-formed
        {
            throw new EvalFileException("the line is damaged", path, number, null, "one JSON object", "something else", Anew, e);
        }
    }

    private void WriteLine(Action<Utf8JsonWriter> fields)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            fields(writer);
            writer.WriteEndObject();
        }
        buffer.Write("\n"u8);
        stream.Write(buffer.WrittenSpan); // one write and no buffer of our own: a line is torn only if the machine stops
    }

    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    private void Throw(string what, int? line, string? field, string expected, string found) => EvalFileException.Throw(what, path, line, field, expected, found, Anew);

    private static string Short(string value) => value.Length == 64 ? value[..12] + "…" : value; // SHA-256

    /// <summary>What a run depends on.</summary>
    internal sealed class Header
    {
        private const int EndBytes = 1 << 20;
        private readonly string model;
        private readonly string task;

        public Header(Engine engine, EvalPlan plan)
        {
            var options = plan.Options;
            model = Path.GetFileName(engine.File.Path);
            task = Path.GetFileName(plan.Task.Path);
            Compared =
            [
                ("model_bytes", Text(engine.File.Length)),
                ("model_ends_sha256", HashEnds(engine.File.Path)),
                ("task_sha256", plan.Task.Sha256),
                ("items", Text(plan.Task.Count)),
                ("backend", engine.BackendName),
                ("kv_type", engine.KvType.ToString()),
                ("moe", MoeForms.NameOf(engine.Moe)),
                ("context", Text(engine.ContextLength)),
                ("max_tokens", Text(options.MaxTokens)),
                ("ignore_case", options.IgnoreCase ? "yes" : "no"),
                ("prefix_sha256", options.Prefix.Length == 0 ? "none" : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(options.Prefix)))),
                ("few_shot_sha256", options.FewShot?.Sha256 ?? "none"),
                ("shots", options.FewShot is null ? "none" : options.Shots is { } shots ? Text(shots) : "all"),
            ];
        }

        public IReadOnlyList<(string Name, string Value)> Compared { get; }

        public void Write(Utf8JsonWriter w)
        {
            w.WriteNumber("wd_run_eval", Version);
            w.WriteString("model", model); // the names are for people: files may be renamed
            w.WriteString("task", task);
            foreach (var (name, value) in Compared) w.WriteString(name, value);
        }

        private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

        // A whole model can take minutes to read. Its first MiB holds the metadata and its last ends the last tensor: two models of one
        // length that agree in both differ in nothing that training or quantizing does.
        private static string HashEnds(string path)
        {
            using var file = File.OpenRead(path);
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var piece = new byte[Math.Min(EndBytes, file.Length)];
            file.ReadExactly(piece);
            hash.AppendData(piece);
            file.Seek(-piece.Length, SeekOrigin.End);
            file.ReadExactly(piece);
            hash.AppendData(piece);
            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
    }
}
