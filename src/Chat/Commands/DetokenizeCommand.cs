using System.Buffers;
using System.CommandLine;
using System.Globalization;
using WarpDecode.Formats;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run detokenize MODEL IDS</c>: the text of ids, special tokens by their names.</summary>
internal static class DetokenizeCommand
{
    public static Command Create()
    {
        var model = ModelArgument.Required();
        var ids = new Argument<string[]>("IDS") { Description = "Token ids, separated by commas or spaces.", Arity = ArgumentArity.OneOrMore };
        var command = new Command("detokenize", "Turn token ids into text.") { model, ids };
        command.SetAction(parsed =>
        {
            using var opened = ModelFile.Open(parsed.GetValue(model)!);
            var tokenizer = Tokenizer.FromMetadata(opened);
            var bytes = new ArrayBufferWriter<byte>();
            foreach (var id in Ids.Parse(string.Join(',', parsed.GetValue(ids)!), tokenizer.Count)) tokenizer.AppendBytes(id, bytes, special: true);
            using var stdout = Console.OpenStandardOutput();
            stdout.Write(bytes.WrittenSpan);
            if (!Console.IsOutputRedirected) stdout.WriteByte((byte)'\n');
            return ExitCode.Done;
        });
        return command;
    }
}

/// <summary>Lists of token ids on the command line.</summary>
internal static class Ids
{
    private static readonly char[] Separators = [',', ' ', '\t', '\n', '\r', '[', ']'];

    /// <exception cref="UsageException">Not a number, or not an id of this model.</exception>
    public static int[] Parse(string text, int count)
    {
        var parts = text.Split(Separators, StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length == 0) throw new UsageException("there are no token ids", "Give ids like 1,2,3.");
        return [.. parts.Select(part =>
        {
            if (!int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
                throw new UsageException($"'{part}' is not a token id", "Give ids like 1,2,3.");
            if (id >= count) throw new UsageException($"token id {id} is outside the vocabulary", $"Ids of this model are 0 to {count - 1}.");
            return id;
        })];
    }
}
