using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using WarpDecode.Formats;
using WarpDecode.Runtime;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run logits MODEL --tokens 1,2,3</c>: the logits after each token, for comparing runtimes.</summary>
internal static class LogitsCommand
{
    private const int Shown = 5;
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create()
    {
        var model = ModelArgument.Required();
        var tokens = new Option<string>("--tokens") { Description = "Token ids, separated by commas.", HelpName = "IDS", Required = true };
        var outFile = new Option<string?>("--out", "-o") { Description = "Write all logits as little-endian float32 [T, vocabulary]; without it, print the likeliest tokens.", HelpName = "FILE" };
        var engine = new EngineOptionsBinder();
        var command = new Command("logits", "Compute the logits of every position of a token sequence.") { model, tokens, outFile };
        engine.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            using var opened = Engine.Open(parsed.GetValue(model)!, engine.Bind(parsed));
            var ids = Ids.Parse(parsed.GetValue(tokens)!, opened.Vocabulary);
            using var session = opened.CreateSession();
            if (parsed.GetValue(outFile) is { } path)
            {
                using var stream = File.Create(path);
                session.Append(ids, (_, logits) => Write(stream, logits), cancellation);
                Console.Error.WriteLine($"wrote [{ids.Length}, {opened.Vocabulary}] float32 to {path}");
            }
            else
            {
                session.Append(ids, (position, logits) => Print(opened, ids, position, logits), cancellation);
            }
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static void Write(Stream stream, ReadOnlySpan<float> logits)
    {
        if (BitConverter.IsLittleEndian)
        {
            stream.Write(MemoryMarshal.AsBytes(logits));
            return;
        }
        using var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true); // little-endian by definition
        foreach (var logit in logits) writer.Write(logit);
    }

    private static void Print(Engine engine, int[] ids, int position, ReadOnlySpan<float> logits)
    {
        var order = Enumerable.Range(0, logits.Length).ToArray();
        var values = logits.ToArray();
        Array.Sort(order, (a, b) => values[b] != values[a] ? values[b].CompareTo(values[a]) : a.CompareTo(b));
        var likeliest = order.Take(Shown).Select(id => $"{id} {Text(engine, id)} {values[id]:F4}");
        Console.Out.WriteLine($"{position,5}  after {ids[position]}: {string.Join("  ", likeliest)}");
    }

    // Logits need no tokenizer: one that cannot be used leaves the ids alone.
    private static string Text(Engine engine, int id)
    {
        try
        {
            return id < engine.Tokenizer.Count ? JsonSerializer.Serialize(engine.Tokenizer.Decode([id], special: true), Readable) : "";
        }
        catch (ModelFileException)
        {
            return "";
        }
    }
}
