using System.Text;

namespace WarpDecode.Runtime.Grammars;

/// <summary>A symbol of a grammar, or several. Immutable, so that trees may share parts.</summary>
internal abstract class Node
{
    /// <summary>The empty text.</summary>
    public static Node Empty { get; } = new SequenceNode([]);

    /// <summary>No text at all.</summary>
    public static Node Nothing { get; } = new ChoiceNode([]);

    /// <summary>About how many states of an automaton it takes.</summary>
    public int Size { get; protected init; } = 1;

    /// <summary>Levels of the tree.</summary>
    public int Depth { get; protected init; } = 1;

    /// <summary>Whether it has no repetition that is long and refers to no rule: such a part costs little wherever it is put.</summary>
    public bool IsPlain { get; protected init; } = true;

    public static Node Text(string text) => new LiteralNode(Encoding.UTF8.GetBytes(text));

    public static Node Char(CodePoints set) => new CharNode(set);

    public static Node In(params (int Low, int High)[] ranges) => new CharNode(CodePoints.Of(ranges));

    public static Node Sequence(params Node[] parts) => parts.Length == 1 ? parts[0] : new SequenceNode(parts);

    public static Node Choice(params Node[] options) => options.Length == 1 ? options[0] : new ChoiceNode(options);

    public static Node Optional(Node node) => new RepeatNode(node, 0, 1);

    public static Node Star(Node node) => new RepeatNode(node, 0, null);

    public static Node Repeat(Node node, int min, int? max) => max == 0 ? Empty : (min, max) is (1, 1) ? node : new RepeatNode(node, min, max);

    private protected static int Sum(IEnumerable<Node> nodes) => (int)Math.Min(1 << 28, 1 + nodes.Sum(n => (long)n.Size));
}

/// <summary>One character of a set.</summary>
internal sealed class CharNode(CodePoints set) : Node
{
    public CodePoints Set { get; } = set;
}

/// <summary>Bytes as they are.</summary>
internal sealed class LiteralNode : Node
{
    public LiteralNode(byte[] bytes) => (Bytes, Size) = (bytes, Math.Max(1, bytes.Length));

    public byte[] Bytes { get; }
}

/// <summary>One after the other.</summary>
internal sealed class SequenceNode : Node
{
    public SequenceNode(Node[] parts)
    {
        (Parts, Size, Depth) = (parts, Sum(parts), 1 + parts.Select(p => p.Depth).DefaultIfEmpty().Max());
        IsPlain = parts.All(p => p.IsPlain);
    }

    public Node[] Parts { get; }
}

/// <summary>One of several.</summary>
internal sealed class ChoiceNode : Node
{
    public ChoiceNode(Node[] options)
    {
        (Options, Size, Depth) = (options, Sum(options), 1 + options.Select(p => p.Depth).DefaultIfEmpty().Max());
        IsPlain = options.All(p => p.IsPlain);
    }

    public Node[] Options { get; }
}

/// <summary>A part so many times; without a maximum where that is null.</summary>
internal sealed class RepeatNode : Node
{
    // Up to so many states a part is written out; beyond that it is counted.
    private const int MostWritten = 16;

    public RepeatNode(Node body, int min, int? max)
    {
        (Body, Min, Max, Depth) = (body, min, max, body.Depth + 1);
        var copies = (long)(max ?? min) * body.Size;
        IsLoop = max is null && min <= 1;
        IsCounted = !IsLoop && (min, max) is not (0, 1) && copies > MostWritten;
        Size = IsLoop || IsCounted ? body.Size + 1 : (int)Math.Max(1, Math.Max(copies, body.Size)) + 1;
        IsPlain = body.IsPlain && max is not null && !IsCounted;
    }

    public Node Body { get; }

    public int Min { get; }

    public int? Max { get; }

    /// <summary>Whether it is * or +, which need no counting.</summary>
    public bool IsLoop { get; }

    /// <summary>Whether it is counted rather than written out.</summary>
    public bool IsCounted { get; }
}

/// <summary>What a rule of the grammar says.</summary>
internal sealed class RuleNode : Node
{
    public RuleNode(int rule) => (Rule, IsPlain) = (rule, false);

    public int Rule { get; }
}

/// <summary>One whole token of the vocabulary, or any text token but that.</summary>
internal sealed class TokenNode : Node
{
    public TokenNode(int reference) => (Reference, IsPlain) = (reference, false);

    public int Reference { get; }
}

/// <summary>A token that a grammar names, by its id or its text.</summary>
internal sealed record TokenReference(int? Id, string? Text, bool Negated)
{
    public override string ToString() => (Negated ? "!" : "") + (Id is { } id ? $"<[{id}]>" : Text);
}

/// <summary>The rules of a grammar; the first is the root.</summary>
internal sealed class RuleSet
{
    public List<string> Names { get; } = [];

    public List<Node> Bodies { get; } = [];

    public List<TokenReference> Tokens { get; } = [];

    /// <summary>Adds a rule whose body may be set later; until then it has no text.</summary>
    public int Add(string name, Node? body = null)
    {
        if (Names.Count == GrammarLimits.Rules) GrammarLimits.ThrowTooLarge($"more than {GrammarLimits.Rules} rules");
        Names.Add(name);
        Bodies.Add(body ?? Node.Nothing);
        return Names.Count - 1;
    }
}
