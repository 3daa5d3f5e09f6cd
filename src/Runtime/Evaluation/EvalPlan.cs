using System.Runtime.ExceptionServices;
using WarpDecode.Formats;
using WarpDecode.Runtime.Models;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>
/// A task as the tokens of one model: made before the model is opened, so that it is opened with the room that the task needs. Immutable and safe to use
/// from many threads.
/// </summary>
public sealed class EvalPlan
{
    private readonly string advice = "Leave the item out, or take a model with a longer context.";

    private EvalPlan(EvalTask task, EvalOptions options, Tokenizer tokenizer, Prompt[] prompts, int trained)
    {
        Task = task;
        Options = options;
        Tokenizer = tokenizer;
        Prompts = prompts;
        Check(trained);
        advice = "Use -c to ask for a longer context, or leave it away.";
        for (var i = 0; i < prompts.Length; i++)
        {
            var more = prompts[i].Choices is null ? MaxTokens(i) - 1 : 0; // the last token of an answer is not read
            ContextLength = (int)Math.Clamp((long)prompts[i].Least + more, ContextLength, trained);
        }
    }

    /// <summary>Tokens that a session needs for the longest item: its prompt and its answer, or what the model was trained for if that is less.</summary>
    public int ContextLength { get; }

    /// <summary>Sessions that an evaluation keeps at once.</summary>
    /// <remarks>
    /// One holds what the items of a category have in common. Of choices there are as many as a batch takes, and for each item, which has
    /// at least two, its context.
    /// </remarks>
    public int Sessions => Prompts.Any(prompt => prompt.Choices is not null) ? 1 + Options.Batch + Math.Max(1, Options.Batch / LeastChoices) : 1 + Options.Batch;

    private int LeastChoices => Prompts.Where(prompt => prompt.Choices is not null).Min(prompt => prompt.Choices!.Length);

    internal EvalTask Task { get; }

    internal EvalOptions Options { get; }

    internal Tokenizer Tokenizer { get; }

    internal Prompt[] Prompts { get; }

    /// <summary>Turns a task into tokens.</summary>
    /// <param name="file">The model, for its tokenizer and chat template.</param>
    /// <param name="task">The items.</param>
    /// <param name="options">How they are put.</param>
    /// <param name="progress">Told how many items are turned into tokens; by several threads, one at a time.</param>
    /// <param name="cancellation">Ends the work between two items.</param>
    /// <exception cref="EvalFileException">An item cannot be put to this model: too long, or without a token of its own; or it has no examples.</exception>
    /// <exception cref="ModelFileException">The file has no tokenizer that is supported, or no template for conversations.</exception>
    public static EvalPlan Of(ModelFile file, EvalTask task, EvalOptions options, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(task);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.Batch, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxTokens, nameof(options));
        var trained = Architectures.Of(file).ReadConfig(file).ContextLength;
        var tokenizer = Tokenizer.FromMetadata(file, options.PreTokenizer);
        var template = task.Items.Any(item => item.Messages is not null) ? ChatTemplate.FromMetadata(file) : null;
        var encoder = new PromptEncoder(task, options, tokenizer, template);
        var prompts = new Prompt[task.Count];
        var gate = new Lock();
        var done = 0;
        (int Index, ExceptionDispatchInfo Error)? first = null;
        Parallel.For(0, prompts.Length, new ParallelOptions { CancellationToken = cancellation }, (i, loop) =>
        {
            try
            {
                prompts[i] = encoder.Encode(task.Items[i]);
                lock (gate) progress?.Report(++done);
            }
            catch (Exception e)
            {
                // Of several the first in the file, so that a file gives one message however the threads run: all items before it are still done.
                lock (gate) first = first is { } other && other.Index < i ? other : (i, ExceptionDispatchInfo.Capture(e));
                loop.Break();
            }
        });
        first?.Error.Throw();
        // Over all items of the task and not over those that are left to do, so that a resumed run computes as an uninterrupted one.
        Prompt.FindShared(prompts);
        return new EvalPlan(task, options, tokenizer, prompts, trained);
    }

    /// <summary>Most tokens of the answer to an item.</summary>
    internal int MaxTokens(int index) => Task.Items[index].MaxTokens ?? Options.MaxTokens;

    /// <summary>Checks that every item fits a session.</summary>
    internal void Check(int contextLength)
    {
        for (var i = 0; i < Prompts.Length; i++)
        {
            var least = Prompts[i].Least;
            if (least <= contextLength) continue;
            EvalFileException.Throw("the item is too long", Task.Path, Task.Items[i].Line, null, $"at most {contextLength} tokens, the context", $"{least}", advice);
        }
    }
}
