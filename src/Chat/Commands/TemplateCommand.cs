using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using WarpDecode.Formats;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run template MODEL|FILE.jinja --messages FILE</c>: the text that a chat template makes of a conversation.</summary>
internal static class TemplateCommand
{
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create()
    {
        var model = ModelArgument.Required();
        model.Description = "Model: a GGUF file, or a folder of Hugging Face; or a chat template, FILE.jinja.";
        var messages = new Option<string>("--messages")
        {
            Description = "A JSON file {\"messages\": […]} with any other variable of the template, such as tools, add_generation_prompt, bos_token; now, an ISO time, sets its clock. - reads stdin.",
            HelpName = "FILE",
            Required = true,
        };
        messages.NotEmpty("a path");
        var json = new Option<bool>("--json") { Description = "Print {\"text\": …}, or {\"error\": …} where the template refuses." };
        var command = new Command("template", "Render a conversation with a chat template, and print the text as it is.") { model, messages, json };
        command.SetAction(async (parsed, cancellation) =>
        {
            var (path, source) = (parsed.GetValue(model)!, parsed.GetValue(messages)!);
            var isJson = parsed.GetValue(json);
            var input = source == "-" ? await StandardInput.ReadToEndAsync(cancellation) : await File.ReadAllTextAsync(source, cancellation);
            try
            {
                using var document = Parse(input, source);
                var text = Open(path).Render(document.RootElement);
                await Console.Out.WriteAsync(isJson ? JsonSerializer.Serialize(new { text }, Readable) + "\n" : text);
                return ExitCode.Done;
            }
            catch (TemplateException e)
            {
                if (isJson) await Console.Out.WriteLineAsync(JsonSerializer.Serialize(new { error = e.Reason, kind = e.Kind, line = e.Line, column = e.Column }, Readable));
                Failure.Write(e.Message, e.Kind == "raise_exception" ? "The template itself refuses this conversation: change the messages." : "Correct the template there, or the variables that it is given.");
                return ExitCode.Failed;
            }
            catch (FormatException e)
            {
                throw new UsageException($"{source}: {e.Message}", "Give an object like {\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"add_generation_prompt\": true}.");
            }
        });
        return command;
    }

    private static ChatTemplate Open(string path)
    {
        if (path.EndsWith(".jinja", StringComparison.Ordinal)) return TemplateOptionsBinder.ReadFile(path);
        using var file = ModelFile.Open(path);
        return ChatTemplate.FromMetadata(file);
    }

    private static JsonDocument Parse(string text, string source)
    {
        try
        {
            return JsonDocument.Parse(text);
        }
        catch (JsonException e)
        {
            throw new UsageException($"{source} is no JSON: {e.Message}", "Correct the file, or check that it is the one you mean.");
        }
    }
}
