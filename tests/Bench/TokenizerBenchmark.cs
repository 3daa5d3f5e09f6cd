using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using WarpDecode.Formats;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Bench;

/// <summary>Speed of tokenizers on one core: a text, text without words, and whether random UTF-8 comes back.</summary>
internal static class TokenizerBenchmark
{
    private const int RandomBytes = 10_000_000;

    public static Command Command()
    {
        var models = new Argument<string[]>("MODEL") { Description = "Models, folders, or vocabulary-only files.", Arity = ArgumentArity.OneOrMore };
        var text = new Option<FileInfo>("--text") { Description = "A text, UTF-8.", Required = true };
        var command = new Command("tokenizer", "MB/s of text into tokens on one core, and 10 MB of random UTF-8 there and back.") { models, text };
        command.SetAction(parsed =>
        {
            var words = File.ReadAllText(parsed.GetValue(text)!.FullName);
            var random = RandomText();
            foreach (var path in parsed.GetValue(models)!)
            {
                using var file = ModelFile.Open(path);
                var start = Stopwatch.GetTimestamp();
                var tokenizer = Tokenizer.FromMetadata(file);
                Print($"{Path.GetFileName(path)} ({tokenizer.Kind}): made in {Stopwatch.GetElapsedTime(start).TotalMilliseconds:F0} ms");
                Print($"  text, first time   {Speed(tokenizer, words, 1),8:F1} MB/s");
                Print($"  text, best of 5    {Speed(tokenizer, words, 5),8:F1} MB/s");
                foreach (var (name, unit) in new[] { ("one letter", "a"), ("spaces", " "), ("line breaks", "\n"), ("digits", "7"), ("combining marks", "\u0301"), ("ideographs", "中") })
                    Print($"  1 MB of {name,-15} {Speed(tokenizer, string.Concat(Enumerable.Repeat(unit, 1_000_000 / Encoding.UTF8.GetByteCount(unit))), 1),4:F1} MB/s");
                start = Stopwatch.GetTimestamp();
                var back = tokenizer.Decode(tokenizer.Encode(random, addSpecial: false, parseSpecial: false));
                Print($"  10 MB of random UTF-8 there and back: {(back == random ? "the same" : "NOT THE SAME")}, {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s");
            }
        });
        return command;
    }

    private static double Speed(Tokenizer tokenizer, string text, int times)
    {
        var bytes = Encoding.UTF8.GetByteCount(text);
        var best = double.PositiveInfinity;
        for (var i = 0; i < times; i++)
        {
            var start = Stopwatch.GetTimestamp();
            tokenizer.Encode(text, addSpecial: false, parseSpecial: false);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return bytes / best / 1e6;
    }

    // Any character but SentencePiece's mark for a space, which is one to it.
    private static string RandomText()
    {
        var random = new Random(11);
        var text = new StringBuilder();
        for (var bytes = 0; bytes < RandomBytes;)
        {
            var point = random.Next(4) == 0 ? random.Next(0x80) : random.Next(0x110000);
            if (!Rune.IsValid(point) || point == 0x2581) continue;
            bytes += new Rune(point).Utf8SequenceLength;
            text.Append(new Rune(point).ToString());
        }
        return text.ToString();
    }

    private static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
