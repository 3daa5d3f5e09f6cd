using System.Buffers;
using System.CommandLine;
using WarpDecode.Formats;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run detokenize MODEL IDS</c>: the text of ids, special tokens by their names.</summary>
internal static class DetokenizeCommand
{
    public static Command Create()
    {
        var model = ModelArgument.Required();
        var ids = new Argument<string[]>("IDS") { Description = "Token ids, separated by commas or spaces; bytes that are not UTF-8 come out as they are.", Arity = ArgumentArity.OneOrMore };
        var pre = EngineOptionsBinder.PreTokenizerOption();
        var command = new Command("detokenize", "Turn token ids into text.") { model, ids, pre };
        command.SetAction(parsed =>
        {
            using var opened = ModelFile.Open(parsed.GetValue(model)!);
            var tokenizer = Tokenizer.FromMetadata(opened, parsed.GetValue(pre));
            var bytes = new ArrayBufferWriter<byte>();
            foreach (var id in Ids.Parse(string.Join(',', parsed.GetValue(ids)!), tokenizer.Count)) tokenizer.AppendBytes(id, bytes, special: true);
            var output = new AnswerWriter();
            output.Write(bytes.WrittenSpan);
            output.EndLine();
            return ExitCode.Done;
        });
        return command;
    }
}
