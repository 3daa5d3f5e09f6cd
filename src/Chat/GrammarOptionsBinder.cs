using System.CommandLine;
using System.Text;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Grammars;

namespace WarpDecode.Chat;

/// <summary>The options that give the answer a form.</summary>
internal sealed class GrammarOptionsBinder
{
    private readonly Option<string?> grammar = new Option<string?>("--grammar")
    {
        Description = "Keep answers to the grammar in this file (GBNF, as in llama.cpp).",
        HelpName = "FILE",
    }.NotEmpty("a path");

    private readonly Option<string?> schema = new Option<string?>("--json-schema")
    {
        Description = "Keep answers to JSON that is valid by the JSON Schema in this file.",
        HelpName = "FILE",
    }.NotEmpty("a path");

    public void AddTo(Command command)
    {
        command.Options.Add(grammar);
        command.Options.Add(schema);
    }

    /// <summary>Reads the form that is asked for, if one is.</summary>
    /// <exception cref="UsageException">Both are given.</exception>
    /// <exception cref="GrammarException">The file cannot be used.</exception>
    public Grammar? Read(ParseResult parsed)
    {
        var (gbnf, json) = (parsed.GetValue(grammar), parsed.GetValue(schema));
        if (gbnf is not null && json is not null)
            throw new UsageException("both --grammar and --json-schema are given", "An answer has one form: give one of them.");
        return gbnf is not null ? Grammar.Parse(ReadText(gbnf)) : json is not null ? Grammar.FromJsonSchema(ReadText(json)) : null;
    }

    /// <summary>The options with what keeps an answer of this model to the form.</summary>
    public static GenerationOptions Constrain(GenerationOptions options, Grammar? form, Engine engine)
    {
        if (form is null) return options;
        _ = new GrammarConstraint(form, engine.Tokenizer, engine.Vocabulary); // fails here where the model lacks what it names
        return options with { Constraint = () => new GrammarConstraint(form, engine.Tokenizer, engine.Vocabulary) };
    }

    private static string ReadText(string path)
    {
        const int most = 16 << 20;
        using var file = File.OpenRead(path);
        if (file.CanSeek && file.Length > most) throw new UsageException($"{path} has {file.Length} bytes, and a grammar or schema up to {most}", "Give another file.");
        using var reader = new StreamReader(file, new UTF8Encoding(false, throwOnInvalidBytes: true));
        try
        {
            return reader.ReadToEnd();
        }
        catch (DecoderFallbackException)
        {
            throw new UsageException($"{path} is not UTF-8 text", "Give the path of a text file.");
        }
    }
}
