using WarpDecode.Chat.Conversations;
using WarpDecode.Formats;
using WarpDecode.Kernels;
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
            case IOException when StandardOutput.IsBrokenPipe(e):
                return ExitCode.ReaderGone;
            default:
                var words = Words(e);
                Write(words.What, words.ToDo);
                if (!words.IsKnown) Console.Error.WriteLine(e.StackTrace);
                return e is UsageException ? ExitCode.BadUsage : ExitCode.Failed;
        }
    }

    /// <summary>A failure in words: what happened, what to do, and whether it is one that is foreseen.</summary>
    public static (string What, string ToDo, bool IsKnown) Words(Exception e)
    {
        switch (e)
        {
            case UsageException usage:
                return Known(usage.Advice);
            case ModelFileException file:
                return Known(file.Advice ?? "Check the file, or try another model.");
            case EvalFileException file:
                return Known(file.Advice ?? "Correct the line, or leave it out.");
            case TemplateException:
                return Known("Use --raw to give the model your text as it is, or --chat-template FILE to give it another template.");
            case GpuException gpu:
                return Known(gpu.Advice ?? "Try again, or use --backend cpu.");
            case QuantizeException quantize:
                return Known(quantize.Advice);
            case EvaluationException evaluation:
                return Known(evaluation.Advice);
            case GrammarException grammar:
                return Known(grammar.Advice);
            case ConversationException conversation:
                return Known(conversation.Advice);
            case ContextFullException:
                return Known("Use -c to ask for a longer context, or shorten the input.");
            case ModelOutputException output:
                return Known(output.Advice);
            case IOException or UnauthorizedAccessException:
                return Known("Check the path, that you may use it, and that there is room.");
            case MemoryPlanException:
                return Known("Take fewer layers (NAME:TYPE:layers), a smaller type, or smaller batches (-b) and depths (-d).");
            case OutOfMemoryException:
                return ("not enough memory", "Use a smaller context (-c) or a smaller model.", true);
            default:
                return ($"{e.Message} ({e.GetType().Name})", "This looks like a fault of wd-run: please report it with the lines below.", false);
        }

        (string What, string ToDo, bool IsKnown) Known(string advice) => (e.Message, advice, true);
    }

    /// <summary>The two lines; what comes as several lines is made one.</summary>
    public static void Write(string what, string toDo)
    {
        Console.Error.WriteLine("error: " + what.ReplaceLineEndings(" "));
        Console.Error.WriteLine("hint:  " + toDo);
    }
}
