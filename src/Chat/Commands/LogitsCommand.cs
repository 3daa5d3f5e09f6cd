using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Encodings.Web;
using WarpDecode.Formats;
using WarpDecode.Runtime;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run logits MODEL --tokens 1,2,3</c>: the logits after each token, for comparing runtimes.</summary>
internal static class LogitsCommand
{
    private const int Shown = 5;

    public static Command Create()
    {
        var model = ModelArgument.Required();
        var tokens = new Option<string>("--tokens") { Description = "Token ids, separated by commas.", HelpName = "IDS", Required = true };
        var outFile = new Option<string?>("--out", "-o") { Description = "Write all logits as little-endian float32 [T, vocabulary]; without it, print the likeliest tokens.", HelpName = "FILE" }.NotEmpty("a path");
        var engine = new EngineOptionsBinder();
        var command = new Command("logits", "Compute the logits of every position of a token sequence.") { model, tokens, outFile };
        engine.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            using var opened = engine.Open(parsed.GetValue(model)!, parsed, cancellation);
            var ids = Ids.Parse(parsed.GetValue(tokens)!, opened.Vocabulary);
            if (ids.Length == 0) throw new UsageException("there are no token ids", "Give ids like --tokens 1,2,3.");
            using var session = opened.CreateSession();
            if (parsed.GetValue(outFile) is not { } path)
            {
                session.Append(ids, (position, logits) => Print(opened, ids, position, logits), cancellation);
                return Task.FromResult(ExitCode.Done);
            }
            Stream? stream = null; // opened with the first logits: input that cannot be computed leaves an older file alone
            try
            {
                session.Append(ids, (_, logits) => (stream ??= File.Create(path)).Write(MemoryMarshal.AsBytes(logits)), cancellation);
            }
            finally
            {
                stream?.Dispose();
            }
            Console.Error.WriteLine($"wrote [{ids.Length}, {opened.Vocabulary}] float32 to {path}");
            return Task.FromResult(ExitCode.Done);
        });
        return command;
    }

    private static void Print(Engine engine, int[] ids, int position, ReadOnlySpan<float> logits)
    {
        var likeliest = new List<int>(Shown + 1); // of equal logits the smaller id comes first
        for (var id = 0; id < logits.Length; id++)
        {
            var at = likeliest.Count;
            while (at > 0 && logits[id] > logits[likeliest[at - 1]]) at--;
            if (at == Shown) continue;
            likeliest.Insert(at, id);
            if (likeliest.Count > Shown) likeliest.RemoveAt(Shown);
        }
        var line = new StringBuilder($"{position,5}  after {ids[position]}:");
        foreach (var id in likeliest) line.Append($"  {id}{Text(engine, id)} {logits[id]:F4}");
        Console.Out.WriteLine(line);
    }

    // Logits need no tokenizer: one that cannot be used leaves the ids alone.
    private static string Text(Engine engine, int id)
    {
        try
        {
            return id < engine.Tokenizer.Count ? $" \"{JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode(engine.Tokenizer.Decode([id], special: true))}\"" : "";
        }
        catch (ModelFileException)
        {
            return "";
        }
    }
}
