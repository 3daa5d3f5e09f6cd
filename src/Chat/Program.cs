using System.CommandLine;
using WarpDecode.Chat.Commands;

namespace WarpDecode.Chat;

/// <summary>The entry point: parses the command line, runs one command, and turns every failure into two lines and an exit code.</summary>
internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        StandardOutput.UseUtf8();
        using var interrupt = new Interrupt();
        var model = ModelArgument.Optional();
        var root = BuildRoot(model, interrupt);
        // No bundling, for -hello is a mistake and not -h -e -l -l -o; no response files, for a prompt may begin with @.
        var parsed = root.Parse(args, new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
        var command = parsed.CommandResult.Command;
        var help = command == root ? "See wd-run --help." : $"See wd-run {command.Name} --help.";
        if (parsed.Errors.Count > 0)
        {
            Failure.Write(parsed.Errors[0].Message, help);
            return ExitCode.BadUsage;
        }
        if (command != root)
        {
            if (parsed.GetResult(model) is { Tokens.Count: > 0 } misplaced)
            {
                Failure.Write($"MODEL comes after the command: '{misplaced.Tokens[0].Value}' stands before {command.Name}", help);
                return ExitCode.BadUsage;
            }
            model.Hidden = true; // the help of a command shows only the MODEL of its own
        }
        try
        {
            // Ctrl-C is ours: a chat stops its answer first and leaves at the second one.
            var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            return await Task.Run(() => parsed.InvokeAsync(configuration, interrupt.Token)).WaitAsync(interrupt.Overdue);
        }
        catch (Exception e)
        {
            return Failure.Report(e, interrupt);
        }
    }

    private static RootCommand BuildRoot(Argument<string?> model, Interrupt interrupt)
    {
        var root = new RootCommand(
            """
            wd-run: chat with a Mixture-of-Experts model on this machine.

            wd-run                        chat with the small model that comes along
            wd-run model.gguf             chat with a model of yours
            wd-run model.gguf -p "Hi"     answer once, on stdout, and exit
            """);
        root.Directives.Clear(); // words in brackets are words
        RunCommand.AddTo(root, model, interrupt);
        root.Subcommands.Add(InfoCommand.Create());
        root.Subcommands.Add(TokenizeCommand.Create());
        root.Subcommands.Add(DetokenizeCommand.Create());
        root.Subcommands.Add(TemplateCommand.Create());
        root.Subcommands.Add(LogitsCommand.Create());
        root.Subcommands.Add(PerplexityCommand.Create());
        root.Subcommands.Add(EvalCommand.Create());
        root.Subcommands.Add(BenchCommand.Create());
        root.Subcommands.Add(AccuracyCommand.Create());
        root.Subcommands.Add(QuantizeCommand.Create());
        return root;
    }
}
