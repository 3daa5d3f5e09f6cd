namespace WarpDecode.Runtime.Text.Jinja;

internal sealed partial class Parser
{
    private static bool IsReserved(string name) => name is "true" or "false" or "none" or "True" or "False" or "None";

    private Target AssignTarget(bool withNamespace = false, string? extraEnd = null)
    {
        var at = Current.At;
        var targets = new List<Target>();
        var isTuple = false;
        while (true)
        {
            if (targets.Count > 0) Expect(",");
            if (IsTupleEnd(extraEnd)) break;
            targets.Add(OneTarget(withNamespace));
            if (!Current.Is(",")) break;
            isTuple = true;
        }
        if (targets.Count == 0) Fail($"Expected an expression, got {Repr.Quote(Current.Described)}", at);
        return isTuple ? new TupleTarget([.. targets]) : targets[0];
    }

    private Target OneTarget(bool withNamespace)
    {
        var token = Current;
        if (token.Is("("))
        {
            Enter();
            Next();
            var inner = AssignTarget(withNamespace, extraEnd: null);
            Expect(")");
            depth--;
            return inner;
        }
        if (token.Kind is TokenKind.String or TokenKind.Integer or TokenKind.Float || (token.Kind == TokenKind.Name && IsReserved(token.Text))) Fail("can't assign to 'const'", token.At);
        if (token.Is("[")) Fail("can't assign to 'list'", token.At);
        if (token.Is("{")) Fail("can't assign to 'dict'", token.At);
        if (token.Kind != TokenKind.Name) Fail($"unexpected {Repr.Quote(token.Described)}", token.At);
        Next();
        if (!withNamespace || !Skip(".")) return new NameTarget(token.Text);
        return new FieldTarget(token.Text, Expect(TokenKind.Name).Text);
    }

    private bool IsTupleEnd(string? extraEnd) =>
        Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd || Current.Is(")") || (extraEnd is not null && Current.IsName(extraEnd));

    // One expression, or a tuple of several.
    private Expression Tuple(bool withCondition = true, string? extraEnd = null, bool parentheses = false)
    {
        var at = Current.At;
        var items = new List<Expression>();
        var isTuple = false;
        while (true)
        {
            if (items.Count > 0) Expect(",");
            if (IsTupleEnd(extraEnd)) break;
            items.Add(withCondition ? Expr() : Or());
            if (!Current.Is(",")) break;
            isTuple = true;
        }
        if (isTuple) return new TupleLiteral(at, [.. items]);
        if (items.Count > 0) return items[0];
        if (!parentheses) Fail($"Expected an expression, got {Repr.Quote(Current.Described)}", at);
        return new TupleLiteral(at, []);
    }

    private Expression Expr()
    {
        Enter();
        var at = Current.At;
        var known = unknown.Count;
        var value = Or();
        while (SkipName("if"))
        {
            var test = Or();
            var otherwise = SkipName("else") ? Expr() : null;
            value = new Conditional(at, LineOf(at), test, value, otherwise);
            at = Current.At;
            unknown.RemoveRange(known, unknown.Count - known); // under a condition it may never be reached
        }
        depth--;
        return value;
    }

    private Expression Or()
    {
        var left = And();
        var count = 0;
        while (Current.IsName("or"))
        {
            Chain(ref count);
            var at = Next().At;
            left = new Logic(at, isOr: true, left, And());
        }
        return left;
    }

    private Expression And()
    {
        var left = NotExpr();
        var count = 0;
        while (Current.IsName("and"))
        {
            Chain(ref count);
            var at = Next().At;
            left = new Logic(at, isOr: false, left, NotExpr());
        }
        return left;
    }

    // Chains make trees as deep as they are long.
    private void Chain(ref int count)
    {
        if (++count > 2000) Fail("the expression is too long", Current.At);
    }

    private Expression NotExpr()
    {
        if (!Current.IsName("not")) return Compare();
        Enter();
        var at = Next().At;
        var not = new Not(at, NotExpr());
        depth--;
        return not;
    }

    private Expression Compare()
    {
        var first = Sum();
        List<(string, Expression)>? rest = null;
        var at = Current.At;
        while (true)
        {
            string sign;
            if (Current.Kind == TokenKind.Operator && Current.Text is "==" or "!=" or "<" or "<=" or ">" or ">=") sign = Next().Text;
            else if (SkipName("in")) sign = "in";
            else if (Current.IsName("not") && Look().IsName("in"))
            {
                Next();
                Next();
                sign = "not in";
            }
            else
            {
                break;
            }
            (rest ??= []).Add((sign, Sum()));
        }
        return rest is null ? first : new Comparison(at, first, [.. rest]);
    }

    private Expression Sum()
    {
        var left = Concatenation();
        var count = 0;
        while (Current.Is("+") || Current.Is("-"))
        {
            Chain(ref count);
            var token = Next();
            left = new Binary(token.At, token.Text, left, Concatenation());
        }
        return left;
    }

    private Expression Concatenation()
    {
        var first = Product();
        if (!Current.Is("~")) return first;
        var at = Current.At;
        var items = new List<Expression> { first };
        while (Skip("~")) items.Add(Product());
        return new Concat(at, [.. items]);
    }

    private Expression Product()
    {
        var left = Power();
        var count = 0;
        while (Current.Kind == TokenKind.Operator && Current.Text is "*" or "/" or "//" or "%")
        {
            Chain(ref count);
            var token = Next();
            left = new Binary(token.At, token.Text, left, Power());
        }
        return left;
    }

    private Expression Power()
    {
        var left = UnaryExpr();
        var count = 0;
        while (Current.Is("**"))
        {
            Chain(ref count);
            var token = Next();
            left = new Binary(token.At, token.Text, left, UnaryExpr());
        }
        return left;
    }

    private Expression UnaryExpr(bool withFilter = true)
    {
        Expression value;
        if (Current.Is("-") || Current.Is("+"))
        {
            Enter();
            var token = Next();
            value = new Unary(token.At, token.Text == "-", UnaryExpr(withFilter: false));
            depth--;
        }
        else
        {
            value = Primary();
        }
        value = Postfix(value);
        return withFilter ? FilterExpr(value) : value;
    }

    private Expression Primary()
    {
        var token = Current;
        switch (token.Kind)
        {
            case TokenKind.Name:
                Next();
                if (token.Text is "true" or "True") return new Constant(token.At, Py.Bool(true));
                if (token.Text is "false" or "False") return new Constant(token.At, Py.Bool(false));
                if (token.Text is "none" or "None") return new Constant(token.At, null);
                foreach (var macro in macros)
                {
                    macro.TakesCaller |= token.Text == "caller";
                    macro.TakesMore |= token.Text == "varargs";
                    macro.TakesNamed |= token.Text == "kwargs";
                }
                return new Name(token.At, token.Text);
            case TokenKind.String:
                Next();
                var text = token.Text;
                if (Current.Kind == TokenKind.String)
                {
                    var all = new System.Text.StringBuilder(text);
                    while (Current.Kind == TokenKind.String) all.Append(Next().Text);
                    text = all.ToString();
                }
                return new Constant(token.At, Str.Of(text));
            case TokenKind.Integer or TokenKind.Float:
                Next();
                return new Constant(token.At, token.Number);
        }
        if (token.Is("(") || token.Is("[") || token.Is("{"))
        {
            Enter();
            Next();
            var value = token.Text == "(" ? Parenthesized() : token.Text == "[" ? List(token.At) : Dict(token.At);
            depth--;
            return value;
        }
        Fail($"unexpected {Repr.Quote(token.Described)}", token.At);
        return null!;
    }

    private Expression Parenthesized()
    {
        var value = Tuple(parentheses: true);
        Expect(")");
        return value;
    }

    private ListLiteral List(int at)
    {
        var items = new List<Expression>();
        while (!Current.Is("]"))
        {
            if (items.Count > 0) Expect(",");
            if (Current.Is("]")) break;
            items.Add(Expr());
        }
        Expect("]");
        return new ListLiteral(at, [.. items]);
    }

    private DictLiteral Dict(int at)
    {
        var pairs = new List<(Expression, Expression)>();
        while (!Current.Is("}"))
        {
            if (pairs.Count > 0) Expect(",");
            if (Current.Is("}")) break;
            var key = Expr();
            Expect(":");
            pairs.Add((key, Expr()));
        }
        Expect("}");
        return new DictLiteral(at, [.. pairs]);
    }

    private Expression Postfix(Expression value)
    {
        var count = 0;
        while (true)
        {
            Chain(ref count);
            if (Current.Is(".")) value = AttributeOf(value);
            else if (Current.Is("[")) value = ItemOf(value);
            else if (Current.Is("(")) value = new Call(Current.At, value, CallArguments());
            else return value;
        }
    }

    private Expression AttributeOf(Expression owner)
    {
        var at = Next().At;
        var token = Next();
        if (token.Kind == TokenKind.Name) return new Attribute(at, owner, token.Text);
        if (token.Kind != TokenKind.Integer) Fail("expected name or number", token.At);
        return new Item(at, owner, new Constant(token.At, token.Number));
    }

    private Item ItemOf(Expression owner)
    {
        Enter();
        var at = Next().At;
        var keys = new List<Expression>();
        while (!Current.Is("]"))
        {
            if (keys.Count > 0) Expect(",");
            keys.Add(Subscript());
        }
        Expect("]");
        depth--;
        return new Item(at, owner, keys.Count == 1 ? keys[0] : new TupleLiteral(at, [.. keys]));
    }

    private Expression Subscript()
    {
        var at = Current.At;
        Expression? start = null, stop = null, step = null;
        if (!Current.Is(":"))
        {
            start = Expr();
            if (!Current.Is(":")) return start;
        }
        Next();
        if (!Current.Is(":") && !Current.Is("]") && !Current.Is(",")) stop = Expr();
        if (Skip(":") && !Current.Is("]") && !Current.Is(",")) step = Expr();
        return new Slice(at, start, stop, step);
    }

    private ArgumentList CallArguments()
    {
        var at = Expect("(").At;
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        Expression? list = null, dict = null;
        var any = false;
        while (!Current.Is(")"))
        {
            if (any)
            {
                Expect(",");
                if (Current.Is(")")) break;
            }
            any = true;
            if (Current.Is("*"))
            {
                Ensure(list is null && dict is null);
                Next();
                list = Expr();
            }
            else if (Current.Is("**"))
            {
                Ensure(dict is null);
                Next();
                dict = Expr();
            }
            else if (Current.Kind == TokenKind.Name && Look().Is("="))
            {
                Ensure(dict is null);
                var name = Next();
                if (named.Exists(n => n.Item1 == name.Text)) Fail($"keyword argument repeated: {name.Text}", name.At, "SyntaxError");
                Next();
                named.Add((name.Text, Expr()));
            }
            else
            {
                Ensure(list is null && dict is null && named.Count == 0);
                positional.Add(Expr());
            }
        }
        Expect(")");
        return positional.Count == 0 && named.Count == 0 && list is null && dict is null ? ArgumentList.Empty : new ArgumentList([.. positional], [.. named], list, dict);

        void Ensure(bool allowed)
        {
            if (!allowed) Fail("invalid syntax for function call expression", at);
        }
    }

    private Expression FilterExpr(Expression value)
    {
        var count = 0;
        while (true)
        {
            Chain(ref count);
            if (Current.Is("|")) value = Filters(value)!;
            else if (Current.IsName("is")) value = TestExpr(value);
            else if (Current.Is("(")) value = new Call(Current.At, value, CallArguments());
            else return value;
        }
    }

    // Filters one after another; null if there is none.
    private Expression? Filters(Expression? value, bool inline = false)
    {
        var count = 0;
        var known = unknown.Count;
        while (Current.Is("|") || inline)
        {
            Chain(ref count);
            if (!inline) Next();
            inline = false;
            var (name, at) = DottedName();
            var arguments = Current.Is("(") ? CallArguments() : ArgumentList.Empty;
            var filter = Jinja.Filters.Find(name);
            if (filter is null && !isConditional) unknown.Insert(known, ($"No filter named {Repr.Quote(name)}.", at)); // of a chain the last is named
            value = new FilterCall(at, value, name, filter, arguments);
        }
        return value;
    }

    private (string Name, int At) DottedName()
    {
        var token = Expect(TokenKind.Name);
        var name = token.Text;
        while (Skip(".")) name += "." + Expect(TokenKind.Name).Text;
        return (name, token.At);
    }

    private Expression TestExpr(Expression value)
    {
        Next();
        var negated = SkipName("not");
        var (name, at) = DottedName();
        var arguments = ArgumentList.Empty;
        if (Current.Is("("))
        {
            arguments = CallArguments();
        }
        else if ((Current.Kind is TokenKind.Name or TokenKind.String or TokenKind.Integer or TokenKind.Float || Current.Is("[") || Current.Is("{"))
            && !Current.IsName("else") && !Current.IsName("or") && !Current.IsName("and"))
        {
            if (Current.IsName("is")) Fail("You cannot chain multiple tests with is", Current.At);
            arguments = new ArgumentList([Postfix(Primary())], [], null, null);
        }
        var test = Tests.Find(name);
        if (test is null && !isConditional) unknown.Add(($"No test named {Repr.Quote(name)}.", at));
        var result = new TestCall(at, value, name, test, arguments);
        return negated ? new Not(at, result) : result;
    }
}
