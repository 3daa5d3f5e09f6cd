using System.CommandLine;
using System.Text;
using WarpDecode.Formats;
using WarpDecode.Runtime.Text;
using TokenType = System.CommandLine.Parsing.TokenType;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run tokenize MODEL [TEXT]</c>: the ids of a text.</summary>
internal static class TokenizeCommand
{
    public static Command Create()
    {
        var model = ModelArgument.Required();
        var text = new Argument<string?>("TEXT") { Description = "The text (after -- if it begins like an option); without it, stdin.", Arity = ArgumentArity.ZeroOrOne };
        var file = new Option<string?>("--file", "-f")
        {
            Description = "Read the text from a file: UTF-8, taken as it is, the last newline too; bytes that are no UTF-8 become U+FFFD.",
            HelpName = "FILE",
        }.NotEmpty("a path");
        var noSpecial = new Option<bool>("--no-special") { Description = "Add no BOS or EOS, and read no special tokens in the text." };
        var pre = EngineOptionsBinder.PreTokenizerOption();
        var json = new Option<bool>("--json") { Description = "Print {\"tokens\": [ids]}." };
        var command = new Command("tokenize", "Turn text into token ids; a vocabulary-only file will do.") { model, text, file, noSpecial, pre, json };
        command.SetAction(async (parsed, cancellation) =>
        {
            var given = parsed.GetValue(text);
            if (given is not null && parsed.GetValue(file) is not null)
                throw new UsageException("both TEXT and --file were given", "Give one of them.");
            // The parser takes a word that it does not know for the text, a mistyped option too.
            if (LooksLikeAnOption(given) && parsed.Tokens.All(t => t.Type != TokenType.DoubleDash))
                throw new UsageException($"there is no option {given} here", "Put -- before a text that begins with a dash.");
            using var opened = ModelFile.Open(parsed.GetValue(model)!);
            var tokenizer = Tokenizer.FromMetadata(opened, parsed.GetValue(pre));
            var input = given ?? (parsed.GetValue(file) is { } path
                ? Encoding.UTF8.GetString(await File.ReadAllBytesAsync(path, cancellation)) // not ReadAllText, which drops a byte order mark
                : await StandardInput.ReadToEndAsync(cancellation));
            var special = !parsed.GetValue(noSpecial);
            var ids = tokenizer.Encode(input, addSpecial: special, parseSpecial: special);
            await Console.Out.WriteLineAsync(parsed.GetValue(json) ? $"{{\"tokens\": [{string.Join(", ", ids)}]}}" : string.Join(' ', ids));
            return ExitCode.Done;
        });
        return command;
    }

    // -x or --word, but not -5, a lone dash or a sentence.
    private static bool LooksLikeAnOption(string? text) =>
        text is ['-', .. var rest] && rest.TrimStart('-') is [>= 'A' and <= 'z', ..] && !text.Contains(' ', StringComparison.Ordinal);
}
