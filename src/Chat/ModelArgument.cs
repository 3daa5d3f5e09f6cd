using System.CommandLine;
using System.CommandLine.Parsing;
using WarpDecode.Formats;

namespace WarpDecode.Chat;

/// <summary>The MODEL argument, and where the default model lies.</summary>
internal static class ModelArgument
{
    private const string DefaultName = "warpdecode-tiny-moe-q8_0.gguf";

    public static Argument<string> Required()
    {
        var argument = new Argument<string>("MODEL") { Description = "Model: a GGUF file, or a folder of Hugging Face with safetensors files." };
        argument.Validators.Add(Check);
        return argument;
    }

    public static Argument<string?> Optional()
    {
        var argument = new Argument<string?>("MODEL")
        {
            Description = "Model: a GGUF file, or a folder of Hugging Face with safetensors files. Without one, the small model that comes with the program.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        argument.Validators.Add(Check);
        return argument;
    }

    /// <summary>The default model's path.</summary>
    /// <exception cref="UsageException">The program was installed without it, as a tool is.</exception>
    public static string Default()
    {
        var path = Path.Combine(AppContext.BaseDirectory, "models", DefaultName);
        return File.Exists(path)
            ? path
            : throw new UsageException($"no MODEL was given, and the default one is not beside the program ({path})", $"Give the path of one: {MissingModel.Advice}.");
    }

    private static void Check(ArgumentResult result)
    {
        // The parser takes a word that it does not know for the model, a mistyped option too.
        if (result.Tokens is [{ Value: ['-', ..] word }, ..]) result.AddError($"there is no option {word} here");
        if (result.Tokens is [{ Value: "" }, ..]) result.AddError("MODEL is empty: it is the path of a GGUF file or of a model's folder");
    }
}
