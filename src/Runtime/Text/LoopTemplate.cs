using System.Text;

namespace WarpDecode.Runtime.Text;

/// <summary>
/// Reads Jinja templates of one shape: text, a loop over the messages that writes texts, roles and contents, and a text if a
/// generation prompt is asked for. Whitespace is treated as Jinja does when set up as transformers sets it up (trim_blocks,
/// lstrip_blocks, one newline at the end dropped). Anything outside that shape makes the whole template unknown.
/// </summary>
internal static class LoopTemplate
{
    /// <summary>When a section is written.</summary>
    public enum When
    {
        /// <summary>Once.</summary>
        Always,

        /// <summary>Once for each message.</summary>
        EachMessage,

        /// <summary>Once, if a generation prompt is asked for.</summary>
        ForGeneration,
    }

    /// <summary>Where a piece comes from.</summary>
    public enum Source
    {
        /// <summary>The template's own text.</summary>
        Literal,

        /// <summary>The message's role.</summary>
        Role,

        /// <summary>The message's content.</summary>
        Content,
    }

    /// <summary>A piece to write.</summary>
    public readonly record struct Piece(Source Source, string Text);

    /// <summary>Pieces under one condition.</summary>
    public sealed record Section(When When, List<Piece> Pieces);

    /// <summary>The sections of a template, or null if it is not of this shape.</summary>
    public static List<Section>? Parse(string template)
    {
        var nodes = Lex(template);
        return nodes is null ? null : new Parser(nodes).Run();
    }

    private enum NodeKind
    {
        Text,
        Output,
        Block,
    }

    /// <summary>Text of the template, or the tokens of an output or of a block tag joined by single spaces.</summary>
    private readonly record struct Node(NodeKind Kind, string Text, List<Token> Tokens);

    /// <summary>A token of an expression; names and signs are their own text, strings are unescaped.</summary>
    private readonly record struct Token(bool IsString, string Text);

    private static List<Node>? Lex(string template)
    {
        var source = template.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        if (source.EndsWith('\n')) source = source[..^1];

        var nodes = new List<Node>();
        var at = 0;
        var trimStart = false;    // the tag before ended in -%} or -}}
        var lineStart = true;     // the text begins a line, as far as lstrip_blocks is concerned
        while (true)
        {
            var tag = NextTag(source, at);
            var text = source[at..(tag < 0 ? source.Length : tag)];
            if (trimStart)
            {
                var trimmed = text.TrimStart();
                if (trimmed.Length < text.Length) lineStart = text[text.Length - trimmed.Length - 1] == '\n';
                text = trimmed;
            }
            if (tag < 0)
            {
                if (text.Length > 0) nodes.Add(new Node(NodeKind.Text, text, []));
                return nodes;
            }
            var isBlock = source[tag + 1] == '%';
            if (!isBlock && source[tag + 1] != '{') return null; // a comment
            at = tag + 2;
            if (At(source, at, '-'))
            {
                text = text.TrimEnd();
                at++;
            }
            else if (At(source, at, '+'))
            {
                at++;
            }
            else if (isBlock)
            {
                text = StripLine(text, lineStart);
            }
            if (text.Length > 0) nodes.Add(new Node(NodeKind.Text, text, []));

            var tokens = LexExpression(source, ref at, isBlock ? "%}" : "}}", out trimStart, out var keepLine);
            if (tokens is null) return null;
            nodes.Add(new Node(isBlock ? NodeKind.Block : NodeKind.Output, "", tokens));
            lineStart = false;
            if (isBlock && !trimStart && !keepLine && At(source, at, '\n'))
            {
                at++;
                lineStart = true;
            }
        }
    }

    private static bool At(string source, int at, char c) => at < source.Length && source[at] == c;

    private static int NextTag(string source, int from)
    {
        for (var at = source.IndexOf('{', from); at >= 0 && at + 1 < source.Length; at = source.IndexOf('{', at + 1))
        {
            if (source[at + 1] is '{' or '%' or '#') return at;
        }
        return -1;
    }

    // lstrip_blocks: nothing but space between the start of the line and a block tag is dropped.
    private static string StripLine(string text, bool lineStart)
    {
        var line = text.LastIndexOf('\n') + 1;
        return (line > 0 || lineStart) && text.AsSpan(line).IsWhiteSpace() ? text[..line] : text;
    }

    private static List<Token>? LexExpression(string source, ref int at, string close, out bool trim, out bool keepLine)
    {
        trim = keepLine = false;
        var tokens = new List<Token>();
        while (at < source.Length)
        {
            var c = source[at];
            if (char.IsWhiteSpace(c))
            {
                at++;
                continue;
            }
            var rest = source.AsSpan(at);
            if (c is '-' or '+' && rest[1..].StartsWith(close, StringComparison.Ordinal))
            {
                (trim, keepLine) = (c == '-', c == '+');
                if (keepLine && close == "}}") return null; // no such tag
                at += 1 + close.Length;
                return tokens;
            }
            if (rest.StartsWith(close, StringComparison.Ordinal))
            {
                at += close.Length;
                return tokens;
            }
            if (c is '\'' or '"')
            {
                if (LexString(source, ref at) is not { } text) return null;
                tokens.Add(new Token(IsString: true, text));
            }
            else if (char.IsAsciiLetter(c) || c == '_')
            {
                var start = at;
                while (at < source.Length && (char.IsAsciiLetterOrDigit(source[at]) || source[at] == '_')) at++;
                tokens.Add(new Token(IsString: false, source[start..at]));
            }
            else if (c is '+' or '~' or '.' or '[' or ']' or '=')
            {
                tokens.Add(new Token(IsString: false, c.ToString()));
                at++;
            }
            else
            {
                return null;
            }
        }
        return null; // the tag is not closed
    }

    private static string? LexString(string source, ref int at)
    {
        var quote = source[at++];
        var text = new StringBuilder();
        for (; at < source.Length; at++)
        {
            if (source[at] == quote)
            {
                at++;
                return text.ToString();
            }
            if (source[at] != '\\')
            {
                text.Append(source[at]);
                continue;
            }
            if (++at == source.Length) return null;
            char? meant = source[at] switch
            {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '\\' or '\'' or '"' => source[at],
                _ => null,
            };
            if (meant is null) return null;
            text.Append(meant.Value);
        }
        return null;
    }

    private sealed class Parser(List<Node> nodes)
    {
        private readonly List<Section> sections = [];
        private int next;

        public List<Section>? Run()
        {
            while (next < nodes.Count)
            {
                if (!Top()) return null;
            }
            return sections;
        }

        private static bool Is(Node node, params ReadOnlySpan<string> words)
        {
            if (node.Kind != NodeKind.Block || node.Tokens.Count != words.Length) return false;
            for (var i = 0; i < words.Length; i++)
            {
                if (node.Tokens[i].IsString || node.Tokens[i].Text != words[i]) return false;
            }
            return true;
        }

        private bool Top()
        {
            var node = nodes[next];
            if (node.Kind != NodeKind.Block) return Body(When.Always, message: null, end: null);
            next++;
            if (Is(node, "if", "add_generation_prompt")) return Body(When.ForGeneration, message: null, "endif");
            // A default that is never needed, for the flag is always given.
            if (Is(node, "if", "not", "add_generation_prompt", "is", "defined")) return Skip();
            return node.Tokens.Count == 4 && !node.Tokens[1].IsString && Is(node, "for", node.Tokens[1].Text, "in", "messages")
                && Body(When.EachMessage, node.Tokens[1].Text, "endfor");
        }

        private bool Skip()
        {
            for (; next < nodes.Count; next++)
            {
                if (Is(nodes[next], "endif"))
                {
                    next++;
                    return true;
                }
                if (nodes[next].Kind == NodeKind.Output) return false;
                if (nodes[next].Kind == NodeKind.Block && !Is(nodes[next], "set", "add_generation_prompt", "=", "false")
                    && !Is(nodes[next], "set", "add_generation_prompt", "=", "False"))
                {
                    return false;
                }
            }
            return false;
        }

        // Text and outputs up to the block that ends them (which is taken), or up to any block where none is to end them.
        private bool Body(When when, string? message, string? end)
        {
            var pieces = new List<Piece>();
            sections.Add(new Section(when, pieces));
            for (; next < nodes.Count; next++)
            {
                var node = nodes[next];
                if (node.Kind == NodeKind.Block)
                {
                    if (end is null) return true;
                    if (!Is(node, end)) return false;
                    next++;
                    return true;
                }
                if (node.Kind == NodeKind.Text) pieces.Add(new Piece(Source.Literal, node.Text));
                else if (!Expression(node.Tokens, message, pieces)) return false;
            }
            return end is null;
        }

        // term ((+ | ~) term)*, a term being a string, message.key or message['key']
        private static bool Expression(List<Token> tokens, string? message, List<Piece> pieces)
        {
            var at = 0;
            while (true)
            {
                if (at >= tokens.Count) return false;
                if (tokens[at].IsString)
                {
                    pieces.Add(new Piece(Source.Literal, tokens[at++].Text));
                }
                else
                {
                    if (message is null || tokens[at].Text != message || Key(tokens, ref at) is not { } source) return false;
                    pieces.Add(new Piece(source, ""));
                }
                if (at == tokens.Count) return true;
                if (tokens[at].IsString || tokens[at].Text is not ("+" or "~")) return false;
                at++;
            }
        }

        private static Source? Key(List<Token> tokens, ref int at)
        {
            string Sign(int i) => i < tokens.Count && !tokens[i].IsString ? tokens[i].Text : "";
            string name;
            if (Sign(at + 1) == ".")
            {
                name = Sign(at + 2);
                at += 3;
            }
            else if (Sign(at + 1) == "[" && at + 2 < tokens.Count && tokens[at + 2].IsString && Sign(at + 3) == "]")
            {
                name = tokens[at + 2].Text;
                at += 4;
            }
            else
            {
                return null;
            }
            return name switch
            {
                "role" => Source.Role,
                "content" => Source.Content,
                _ => null,
            };
        }
    }
}
