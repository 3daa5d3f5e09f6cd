using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime;

namespace WarpDecode.Chat;

/// <summary>Failures as people read them: one line of what happened, one line of what to do.</summary>
internal static class Failure
{
    public static int Report(Exception e, Interrupt interrupt)
    {
        switch (e)
        {
            case OperationCanceledException when interrupt.Count > 0:
                return ExitCode.Interrupted;
            case UsageException usage:
                Write(usage.Message, usage.Advice);
                return ExitCode.BadUsage;
            case ModelFileException file:
                Write(file.Message, file.Advice ?? "Check the file, or try another model.");
                return ExitCode.Failed;
            case GpuException gpu:
                Write(FirstLine(gpu), gpu.Advice ?? "Try again, or use --backend cpu.");
                return ExitCode.Failed;
            case ContextFullException:
                Write(e.Message, "Use -c to ask for a longer context, or shorten the input.");
                return ExitCode.Failed;
            case ArgumentException:
                Write(FirstLine(e), "See wd-run --help for what the options take.");
                return ExitCode.BadUsage;
            case IOException or UnauthorizedAccessException:
                Write(FirstLine(e), "Check the path and that you may use it.");
                return ExitCode.Failed;
            case OutOfMemoryException:
                Write("not enough memory", "Use a smaller context (-c) or a smaller model.");
                return ExitCode.Failed;
            default:
                Write($"{FirstLine(e)} ({e.GetType().Name})", "This looks like a fault of wd-run: please report it with the lines below.");
                Console.Error.WriteLine(e.StackTrace);
                return ExitCode.Failed;
        }
    }

    public static void Write(string what, string toDo)
    {
        Console.Error.WriteLine("error: " + what);
        Console.Error.WriteLine("hint:  " + toDo);
    }

    private static string FirstLine(Exception e)
    {
        // ArgumentException appends the parameter's name, which means nothing to the person at the terminal.
        var text = e is ArgumentException { ParamName: { } name } ? e.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal) : e.Message;
        return text.Split('\n')[0].TrimEnd();
    }
}
