using System.CommandLine;
using System.Text;
using WarpDecode.Chat.Commands;

namespace WarpDecode.Chat;

/// <summary>The entry point: parses the command line, runs one command, and turns every failure into two lines and an exit code.</summary>
internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        using var interrupt = new Interrupt();
        var parsed = BuildRoot(interrupt).Parse(args);
        if (parsed.Errors.Count > 0)
        {
            Failure.Write(parsed.Errors[0].Message, "See wd-run --help.");
            return ExitCode.BadUsage;
        }
        try
        {
            // Ctrl-C is ours: a chat stops its answer first and leaves at the second one.
            var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            return await parsed.InvokeAsync(configuration, interrupt.Token);
        }
        catch (Exception e)
        {
            return Failure.Report(e, interrupt);
        }
    }

    private static RootCommand BuildRoot(Interrupt interrupt)
    {
        var root = new RootCommand(
            """
            wd-run: chat with a Mixture-of-Experts model on this machine.

            wd-run                        chat with the small model that comes along
            wd-run model.gguf             chat with a model of yours
            wd-run model.gguf -p "Hi"     answer once, on stdout, and exit
            """);
        RunCommand.AddTo(root, interrupt);
        root.Subcommands.Add(InfoCommand.Create());
        root.Subcommands.Add(TokenizeCommand.Create());
        root.Subcommands.Add(DetokenizeCommand.Create());
        root.Subcommands.Add(LogitsCommand.Create());
        return root;
    }
}
