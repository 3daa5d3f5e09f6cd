using WarpDecode.Chat.Conversations;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Chat.Ui;

/// <summary>A conversation as a prompt that fits into the context.</summary>
/// <param name="Tokens">The prompt.</param>
/// <param name="Calls">Calls of tools in it.</param>
/// <param name="LeftOut">Messages that were left out for it, the oldest.</param>
/// <param name="First">The first message that is in it.</param>
internal sealed record PromptFit(int[] Tokens, int Calls, int LeftOut, MessageNode? First)
{
    private const string Advice = "/set context-full shift leaves out the oldest messages, /undo goes back, /new begins anew; wd-run -c N asks for a longer context.";

    /// <summary>Makes the prompt for a line of the conversation.</summary>
    /// <param name="model">The model.</param>
    /// <param name="system">What the conversation begins with, if anything.</param>
    /// <param name="path">The messages of the line.</param>
    /// <param name="first">The first message that was in the prompt before, if older ones were left out then.</param>
    /// <param name="canShift">Whether the oldest turns may be left out.</param>
    /// <param name="reserve">Tokens to be left for the answer, if turns may be left out.</param>
    /// <param name="written">What follows the prompt: an answer that was begun.</param>
    /// <exception cref="CommandException">It does not fit.</exception>
    public static PromptFit Make(LoadedModel model, string? system, IReadOnlyList<MessageNode> path, MessageNode? first, bool canShift, int reserve, string written = "")
    {
        var context = model.Engine.ContextLength;
        var start = first is null ? 0 : Math.Max(0, path.ToList().IndexOf(first));
        var prompt = Encode(start);
        if (prompt.Length + (canShift ? reserve : 1) <= context) return new PromptFit(prompt, Calls(start), start, start == 0 ? null : path[start]);
        if (!canShift)
            throw new CommandException($"the conversation needs {prompt.Length} tokens, the context has {context}", Advice);

        // Down to half, so that it is not done again for each question: what is left out makes the rest be read anew. The fewest turns that do.
        var turns = Enumerable.Range(start + 1, Math.Max(0, path.Count - start - 1)).Where(i => path[i].Message.Role == "user").ToList();
        var (low, high) = (0, turns.Count - 1);
        var wanted = Math.Min(context / 2, context - reserve);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (Encode(turns[middle]).Length <= wanted) high = middle;
            else low = middle + 1;
        }
        if (turns.Count > 0) prompt = Encode(start = turns[high]);
        if (prompt.Length >= context - Math.Min(reserve, context / 8))
            throw new CommandException($"the last question alone needs {prompt.Length} tokens, the context has {context}", "Ask something shorter; wd-run -c N asks for a longer context.");
        return new PromptFit(prompt, Calls(start), start, path[start]);

        int[] Encode(int from)
        {
            var messages = new List<ChatMessage>();
            if (system is not null) messages.Add(new ChatMessage("system", system));
            messages.AddRange(path.Skip(from).Select(n => n.Message));
            var tokens = model.Engine.Template.EncodeChat(model.Engine.Tokenizer, messages, model.Style.Rendering);
            return written.Length == 0 ? tokens : [.. tokens, .. model.Engine.Tokenizer.Encode(written, addSpecial: false, parseSpecial: true)];
        }

        int Calls(int from) => path.Skip(from).Sum(n => n.Message.ToolCalls.Count);
    }
}
