using System.Diagnostics.CodeAnalysis;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Reads the tokens of a template: this part its statements, the other its expressions.</summary>
internal sealed partial class Parser
{
    private const int MaxDepth = 150;
    private readonly string source;
    private readonly List<Token> tokens;
    private readonly Stack<string[]> ends = new();
    private readonly Stack<string> tags = new();
    private readonly List<MacroDefinition> macros = []; // those around
    private readonly List<(string Message, int At)> unknown = []; // filters and tests that there are not
    private int next;
    private int depth;
    private int loops; // around, up to the innermost macro
    private bool isConditional; // names of filters and tests need not be known where they may not be reached

    public Parser(string source)
    {
        this.source = source;
        tokens = Lexer.Read(source);
        Check();
    }

    private Token Current => tokens[next];

    /// <summary>The whole template.</summary>
    /// <exception cref="TemplateException">It is not a template.</exception>
    public Block Run()
    {
        var body = Body(null);
        if (unknown.Count > 0) Fail(unknown[0].Message, unknown[0].At, "TemplateAssertionError");
        return body;
    }

    [DoesNotReturn]
    private static void Fail(string message, int at, string kind = "TemplateSyntaxError") => throw new SyntaxError(kind, message, at);

    /// <summary>A failure at a place that is still to be turned into line and column.</summary>
    public sealed class SyntaxError(string kind, string message, int at) : Exception(message)
    {
        public string Kind { get; } = kind;

        public int At { get; } = at;
    }

    private int LineOf(int at) => 1 + source.AsSpan(0, Math.Min(at, source.Length)).Count('\n');

    private Token Next()
    {
        var token = tokens[next];
        if (token.Kind != TokenKind.End) next++;
        Check();
        return token;
    }

    private void Check()
    {
        if (Current.Kind == TokenKind.Error) Fail(Current.Text, Current.At);
    }

    private Token Look()
    {
        var token = tokens[Math.Min(next + 1, tokens.Count - 1)];
        if (token.Kind == TokenKind.Error) Fail(token.Text, token.At);
        return token;
    }

    private bool Skip(string sign)
    {
        if (!Current.Is(sign)) return false;
        Next();
        return true;
    }

    private bool SkipName(string name)
    {
        if (!Current.IsName(name)) return false;
        Next();
        return true;
    }

    private Token Expect(TokenKind kind) => Current.Kind == kind ? Next() : Unexpected(Token.Describe(kind));

    private Token Expect(string sign) => Current.Is(sign) ? Next() : Unexpected(sign);

    private void ExpectName(string name)
    {
        if (!SkipName(name)) Unexpected(name);
    }

    private Token Unexpected(string expected)
    {
        if (Current.Kind == TokenKind.End) Fail($"unexpected end of template, expected {Repr.Quote(expected)}.", Current.At);
        Fail($"expected token {Repr.Quote(expected)}, got {Repr.Quote(Current.Described)}", Current.At);
        return default;
    }

    private void Enter()
    {
        if (++depth > MaxDepth || !System.Runtime.CompilerServices.RuntimeHelpers.TryEnsureSufficientExecutionStack())
            Fail($"the template is nested more than {MaxDepth} levels deep", Current.At);
    }

    // Statements up to one of the tags that end them, which is then the current token; or up to the end of the template.
    private Block Body(string[]? until)
    {
        Enter();
        var body = new List<Statement>();
        if (until is not null) ends.Push(until);
        while (Current.Kind != TokenKind.End)
        {
            var token = Next();
            switch (token.Kind)
            {
                case TokenKind.Data:
                    body.Add(new Data(token.Text));
                    break;
                case TokenKind.VariableBegin:
                    body.Add(new Print(Tuple()));
                    Expect(TokenKind.VariableEnd);
                    break;
                default:
                    if (until is not null && Current.Kind == TokenKind.Name && until.Contains(Current.Text)) goto done;
                    body.AddRange(ReadStatement());
                    Expect(TokenKind.BlockEnd);
                    break;
            }
        }
        if (until is not null) Unclosed(null, Current.At);
    done:
        if (until is not null) ends.Pop();
        depth--;
        return new Block([.. body]);
    }

    // After a tag's own words: its body, and with the end tag taken.
    private Block TagBody(params string[] until)
    {
        Skip(":");
        Expect(TokenKind.BlockEnd);
        var body = Body(until);
        if (until.Length == 1) Next();
        return body;
    }

    private IEnumerable<Statement> ReadStatement()
    {
        var token = Current;
        if (token.Kind != TokenKind.Name) Fail("tag name expected", token.At);
        tags.Push(token.Text);
        IEnumerable<Statement> result = token.Text switch
        {
            "for" => [ReadFor()],
            "if" => [ReadIf()],
            "set" => [ReadSet()],
            "macro" => [ReadMacro()],
            "call" => [ReadCallBlock()],
            "filter" => [ReadFilterBlock()],
            "with" => [ReadWith()],
            "block" => [ReadBlock()],
            "print" => ReadPrint(),
            "break" or "continue" => [ReadJump()],
            "generation" => [ReadGeneration()],
            "autoescape" => [ReadAutoescape()],
            "include" or "import" or "from" or "extends" => [ReadOther()],
            _ => Unknown(token),
        };
        tags.Pop();
        return result;
    }

    private IEnumerable<Statement> Unknown(Token token)
    {
        tags.Pop();
        Unclosed(token.Text, token.At);
        return [];
    }

    [DoesNotReturn]
    private void Unclosed(string? tag, int at)
    {
        var message = tag is null ? "Unexpected end of template." : $"Encountered unknown tag {Repr.Quote(tag)}.";
        if (ends.Count > 0)
        {
            var looking = string.Join(" or ", ends.Peek().Select(Repr.Quote));
            message += tag is not null && ends.Any(e => e.Contains(tag))
                ? $" You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for {looking}."
                : $" Jinja was looking for the following tags: {looking}.";
        }
        if (tags.Count > 0) message += $" The innermost block that needs to be closed is {Repr.Quote(tags.Peek())}.";
        Fail(message, at);
    }

    private For ReadFor()
    {
        var at = Next().At;
        var target = AssignTarget(extraEnd: "in");
        ExpectName("in");
        var source = Tuple(withCondition: false, extraEnd: "recursive");
        var outer = isConditional;
        isConditional = false;
        var filter = SkipName("if") ? Expr() : null;
        var recursive = SkipName("recursive");
        loops++;
        var body = TagBody("endfor", "else");
        loops--;
        Block? otherwise = null;
        if (Next().Text == "else") otherwise = TagBody("endfor");
        isConditional = outer;
        return new For(at, target, source, filter, recursive, body, otherwise);
    }

    private If ReadIf()
    {
        Next();
        var outer = isConditional;
        isConditional = true;
        var branches = new List<(Expression, Block)>();
        Block? otherwise = null;
        while (true)
        {
            var test = Tuple(withCondition: false);
            branches.Add((test, TagBody("elif", "else", "endif")));
            var tag = Next();
            if (tag.Text == "elif") continue;
            if (tag.Text == "else") otherwise = TagBody("endif");
            break;
        }
        isConditional = outer;
        return new If([.. branches], otherwise);
    }

    private Statement ReadSet()
    {
        var at = Next().At;
        var target = AssignTarget(withNamespace: true);
        if (Skip("=")) return new Set(at, target, Tuple());
        var filter = Filters(null) as FilterCall;
        return new SetBlock(at, target, filter, Unconditional(() => TagBody("endset")));
    }

    private DefineMacro ReadMacro()
    {
        var at = Next().At;
        var name = Expect(TokenKind.Name).Text;
        var macro = new MacroDefinition(name, at);
        ReadMacroBody(macro, "endmacro", () => Signature(macro));
        return new DefineMacro(macro);
    }

    private CallBlock ReadCallBlock()
    {
        var at = Next().At;
        var macro = new MacroDefinition(null, at);
        // What is called stands outside of the body.
        if (Current.Is("(")) Signature(macro);
        var call = Expr() as Call;
        if (call is null) Fail("expected call", at);
        ReadMacroBody(macro, "endcall", () => { });
        return new CallBlock(call, macro);
    }

    private void ReadMacroBody(MacroDefinition macro, string end, Action head)
    {
        head();
        var outerLoops = loops;
        loops = 0;
        macros.Add(macro);
        macro.Body = Unconditional(() => TagBody(end));
        macros.RemoveAt(macros.Count - 1);
        loops = outerLoops;
    }

    private Block Unconditional(Func<Block> read)
    {
        var outer = isConditional;
        isConditional = false;
        var body = read();
        isConditional = outer;
        return body;
    }

    private void Signature(MacroDefinition macro)
    {
        Expect("(");
        var defaults = false;
        while (!Current.Is(")"))
        {
            if (macro.Parameters.Count > 0) Expect(",");
            var name = Expect(TokenKind.Name);
            if (IsReserved(name.Text)) Fail($"can't assign to {Repr.Quote(name.Text)}", name.At);
            Expression? fallback = null;
            if (Skip("="))
            {
                fallback = Expr();
                defaults = true;
            }
            else if (defaults)
            {
                Fail("non-default argument follows default argument", Current.At);
            }
            macro.Parameters.Add((name.Text, fallback));
        }
        Expect(")");
    }

    private FilterBlock ReadFilterBlock()
    {
        Next();
        var filter = (FilterCall)Filters(null, inline: true)!;
        return new FilterBlock(filter, Unconditional(() => TagBody("endfilter")));
    }

    private With ReadWith()
    {
        Next();
        var variables = new List<(Target, Expression)>();
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (variables.Count > 0) Expect(",");
            var target = AssignTarget();
            Expect("=");
            variables.Add((target, Expr()));
        }
        return new With([.. variables], Unconditional(() => TagBody("endwith")));
    }

    private NamedBlock ReadBlock()
    {
        Next();
        var name = Expect(TokenKind.Name).Text;
        var scoped = SkipName("scoped");
        SkipName("required");
        if (Current.Is("-")) Fail("Block names in Jinja have to be valid Python identifiers and may not contain hyphens, use an underscore instead.", Current.At);
        var outerLoops = loops;
        loops = 0;
        var body = Unconditional(() => TagBody("endblock"));
        loops = outerLoops;
        SkipName(name);
        return new NamedBlock(scoped, body);
    }

    private List<Statement> ReadPrint()
    {
        Next();
        var parts = new List<Statement>();
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (parts.Count > 0) Expect(",");
            parts.Add(new Print(Expr()));
        }
        return parts;
    }

    private Jump ReadJump()
    {
        var token = Next();
        if (loops == 0) Fail(token.Text == "break" ? "'break' outside loop" : "'continue' not properly in loop", token.At, "SyntaxError");
        return new Jump(token.Text == "break" ? Flow.Break : Flow.Continue);
    }

    // What stands between marks what a model generates, for those who train it; here it is text as any.
    private Block ReadGeneration()
    {
        Next();
        return TagBody("endgeneration");
    }

    private With ReadAutoescape()
    {
        var at = Next().At;
        if (Expr() is not Constant { Value: false }) Fail("only 'autoescape false' is supported: chats are not HTML", at);
        return new With([], Unconditional(() => TagBody("endautoescape")));
    }

    private NoLoader ReadOther()
    {
        var at = Next().At;
        while (Current.Kind is not (TokenKind.BlockEnd or TokenKind.End)) Next();
        return new NoLoader(at);
    }
}
