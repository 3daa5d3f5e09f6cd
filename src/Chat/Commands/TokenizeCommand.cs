using System.CommandLine;
using System.Text;
using System.Text.Json;
using WarpDecode.Formats;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run tokenize MODEL [TEXT]</c>: the ids of a text.</summary>
internal static class TokenizeCommand
{
    public static Command Create()
    {
        var model = ModelArgument.Required();
        var text = new Argument<string?>("TEXT") { Description = "The text; without it, stdin.", Arity = ArgumentArity.ZeroOrOne };
        var file = new Option<string?>("--file", "-f") { Description = "Read the text from a file.", HelpName = "FILE" };
        var noSpecial = new Option<bool>("--no-special") { Description = "Add no BOS or EOS, and read no special tokens in the text." };
        var json = new Option<bool>("--json") { Description = "Print {\"tokens\": [ids]}." };
        var command = new Command("tokenize", "Turn text into token ids; a vocabulary-only file will do.") { model, text, file, noSpecial, json };
        command.SetAction(async (parsed, cancellation) =>
        {
            if (parsed.GetValue(text) is not null && parsed.GetValue(file) is not null)
                throw new UsageException("both TEXT and --file were given", "Give one of them.");
            using var opened = ModelFile.Open(parsed.GetValue(model)!);
            var tokenizer = Tokenizer.FromMetadata(opened);
            // Text from files and pipes is taken as it is, a byte order mark and the last newline included.
            var input = parsed.GetValue(text)
                ?? Encoding.UTF8.GetString(parsed.GetValue(file) is { } path ? await File.ReadAllBytesAsync(path, cancellation) : await ReadStdinAsync(cancellation));
            var special = !parsed.GetValue(noSpecial);
            var ids = tokenizer.Encode(input, addSpecial: special, parseSpecial: special);
            await Console.Out.WriteLineAsync(parsed.GetValue(json) ? JsonSerializer.Serialize(new { tokens = ids }) : string.Join(' ', ids));
            return ExitCode.Done;
        });
        return command;
    }

    private static async Task<byte[]> ReadStdinAsync(CancellationToken cancellation)
    {
        using var stdin = Console.OpenStandardInput();
        using var all = new MemoryStream();
        await stdin.CopyToAsync(all, cancellation);
        return all.ToArray();
    }
}
