using System.CommandLine;

namespace WarpDecode.Chat;

/// <summary>The MODEL argument, and where the default model lies.</summary>
internal static class ModelArgument
{
    private const string DefaultName = "warpdecode-tiny-moe-q8_0.gguf";

    public static Argument<string> Required() => new("MODEL") { Description = "Model file (GGUF)." };

    public static Argument<string?> Optional() => new("MODEL")
    {
        Description = "Model file (GGUF). Without one, the small model that comes with the program.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    /// <summary>The default model's path.</summary>
    /// <exception cref="UsageException">The program was installed without it.</exception>
    public static string Default()
    {
        var path = Path.Combine(AppContext.BaseDirectory, "models", DefaultName);
        return File.Exists(path)
            ? path
            : throw new UsageException($"no MODEL was given, and the default one is not beside the program ({path})", "Give the path of a .gguf file.");
    }
}
