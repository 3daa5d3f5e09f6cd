using WarpDecode.Chat.Conversations;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Evaluation;
using WarpDecode.Runtime.Grammars;
using WarpDecode.Runtime.Quantization;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat;

/// <summary>Failures as people read them: one line of what happened, one line of what to do.</summary>
internal static class Failure
{
    public static int Report(Exception e, Interrupt interrupt)
    {
        switch (e)
        {
            case OperationCanceledException when interrupt.Token.IsCancellationRequested:
                return interrupt.Code;
            case UsageException usage:
                Write(usage.Message, usage.Advice);
                return ExitCode.BadUsage;
            case ModelFileException file:
                Write(file.Message, file.Advice ?? "Check the file, or try another model.");
                return ExitCode.Failed;
            case EvalFileException file:
                Write(file.Message, file.Advice ?? "Correct the line, or leave it out.");
                return ExitCode.Failed;
            case TemplateException template:
                Write(template.Message, "Use --raw to give the model your text as it is, or --chat-template FILE to give it another template.");
                return ExitCode.Failed;
            case GpuException gpu:
                Write(gpu.Message, gpu.Advice ?? "Try again, or use --backend cpu.");
                return ExitCode.Failed;
            case QuantizeException quantize:
                Write(quantize.Message, quantize.Advice);
                return ExitCode.Failed;
            case EvaluationException evaluation:
                Write(evaluation.Message, evaluation.Advice);
                return ExitCode.Failed;
            case GrammarException grammar:
                Write(grammar.Message, grammar.Advice);
                return ExitCode.Failed;
            case ConversationException conversation:
                Write(conversation.Message, conversation.Advice);
                return ExitCode.Failed;
            case ContextFullException:
                Write(e.Message, "Use -c to ask for a longer context, or shorten the input.");
                return ExitCode.Failed;
            case ModelOutputException:
                Write(e.Message, "Try --backend reference; if that fails too, get the file again: its weights are damaged.");
                return ExitCode.Failed;
            case IOException when StandardOutput.IsBrokenPipe(e):
                return ExitCode.ReaderGone;
            case IOException or UnauthorizedAccessException:
                Write(e.Message, "Check the path, that you may use it, and that there is room.");
                return ExitCode.Failed;
            case MemoryPlanException:
                Write(e.Message, "Take fewer layers (NAME:TYPE:layers), a smaller type, or smaller batches (-b) and depths (-d).");
                return ExitCode.Failed;
            case OutOfMemoryException:
                Write("not enough memory", "Use a smaller context (-c) or a smaller model.");
                return ExitCode.Failed;
            default:
                Write($"{e.Message} ({e.GetType().Name})", "This looks like a fault of wd-run: please report it with the lines below.");
                Console.Error.WriteLine(e.StackTrace);
                return ExitCode.Failed;
        }
    }

    /// <summary>The two lines; what comes as several lines is made one.</summary>
    public static void Write(string what, string toDo)
    {
        Console.Error.WriteLine("error: " + what.ReplaceLineEndings(" "));
        Console.Error.WriteLine("hint:  " + toDo);
    }
}
