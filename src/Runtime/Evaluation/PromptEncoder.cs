using System.Diagnostics.CodeAnalysis;
using System.Text;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>Items as token ids, with the examples before them. Safe to use from many threads.</summary>
/// <remarks>
/// Texts and choices become tokens as <see cref="Continuations"/> has it: a task file's texts may spell control tokens, for ChatML written
/// out; what messages and their choices say is text.
/// </remarks>
internal sealed class PromptEncoder
{
    private const string AfterExample = "\n\n";
    private readonly EvalTask task;
    private readonly EvalOptions options;
    private readonly Tokenizer tokenizer;
    private readonly ChatTemplate? template;

    public PromptEncoder(EvalTask task, EvalOptions options, Tokenizer tokenizer, ChatTemplate? template)
    {
        this.task = task;
        this.options = options;
        this.tokenizer = tokenizer;
        this.template = template;
    }

    public Prompt Encode(TaskItem item) => item.Messages is null ? EncodeText(item) : EncodeChat(item);

    private Prompt EncodeText(TaskItem item)
    {
        var before = new StringBuilder(options.Prefix);
        foreach (var example in Examples(item))
        {
            if (example.Text is null) ThrowForm(example, "a text, as the items are", "a conversation");
            var answer = RightAnswer(example);
            before.Append(example.Text);
            var spaced = example.Choices is not null || example.Text is "" || char.IsWhiteSpace(example.Text[^1]) || answer is "" || char.IsWhiteSpace(answer[0]);
            before.Append(spaced ? "" : " ").Append(answer).Append(AfterExample);
        }
        var text = before.Append(item.Text).ToString();
        var (context, choices) = item.Choices is null ? (Continuations.Begin(tokenizer, text), null) : Continuations.Of(tokenizer, text, item.Choices);
        return Checked(item, context, choices);
    }

    private Prompt EncodeChat(TaskItem item)
    {
        if (options.Prefix.Length > 0)
            EvalFileException.Throw("a prefix is text before a text, but the item is a conversation:", task.Path, item.Line, "messages", advice: "Give examples instead of a prefix, or a system message in the items.");
        var messages = new List<ChatMessage>();
        var own = item.Messages!.TakeWhile(message => message.Role == "system").Count();
        messages.AddRange(item.Messages!.Take(own));
        foreach (var example in Examples(item))
        {
            if (example.Messages is null) ThrowForm(example, "a conversation, as the items are", "a text");
            messages.AddRange(example.Messages);
            messages.Add(new ChatMessage("assistant", RightAnswer(example)));
        }
        messages.AddRange(item.Messages!.Skip(own));
        var parts = template!.RenderParts(messages, new TemplateOptions { AddGenerationPrompt = true });
        var (context, choices) = Continuations.Of(tokenizer, parts, item.Choices ?? []);
        return Checked(item, context, item.Choices is null ? null : choices);
    }

    private Prompt Checked(TaskItem item, int[] context, int[][]? choices)
    {
        if (context.Length == 0) ThrowEmpty(item);
        if (choices is not null && Array.FindIndex(choices, choice => choice.Length == 0) is >= 0 and var i)
        {
            EvalFileException.Throw("the choice adds no token to the context:", task.Path, item.Line, $"choices[{i}]", "a text with tokens of its own",
                $"'{item.Choices![i]}'", "Move the border between context and choices to where a word begins.");
        }
        return new Prompt(context, choices) { Category = item.Category };
    }

    private List<TaskItem> Examples(TaskItem item)
    {
        if (options.FewShot is not { } all) return [];
        var examples = all.Items.Where(example => example.Category is null || example.Category == item.Category).Take(options.Shots ?? int.MaxValue).ToList();
        if (examples.Count == 0)
            EvalFileException.Throw("there is no example for the item's category:", task.Path, item.Line, "category", $"one of the examples' in {all.Path}", item.Category ?? "none", "Add examples of that category, or some without a category, which serve every item.");
        return examples;
    }

    private string RightAnswer(TaskItem example)
    {
        if (example.Choices is not null) return example.Choices[example.RightChoice];
        if (example.Answers.Length == 0)
            EvalFileException.Throw("an example cannot be shown without an answer:", options.FewShot!.Path, example.Line, "regex", "answer or answers", "a pattern only", "Add an answer to it.");
        return example.Answers[0];
    }

    [DoesNotReturn]
    private void ThrowForm(TaskItem example, string expected, string found) =>
        EvalFileException.Throw("the example has another form than the items", options.FewShot!.Path, example.Line, null, expected, found, "Write items and examples both as texts or both as messages.");

    [DoesNotReturn]
    private void ThrowEmpty(TaskItem item) =>
        EvalFileException.Throw("the item has no text", task.Path, item.Line, null, "a text with at least one token, for the model has no token that a text begins after", "none");
}
