namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>A filter: the first argument is what it is applied to.</summary>
internal delegate object? Filter(Renderer r, Arguments arguments);

/// <summary>The filters by name.</summary>
internal static class Filters
{
    /// <summary>A filter, or null if there is none of that name.</summary>
    public static Filter? Find(string name) => TextFilters.Find(name) ?? ListFilters.Find(name) ?? SelectFilters.Find(name) ?? ValueFilters.Find(name) ?? Unsupported(name);

    // What Jinja has and chats have no use for is not unknown, so that a template that never gets there can be read.
    private static Filter? Unsupported(string name) => name is "pprint" or "random" or "striptags" or "urlize" or "wordwrap"
        ? (_, _) => throw new RenderError("NotSupported", $"the filter {Repr.Quote(name)} is not supported here")
        : null;

    /// <summary>The text of an argument.</summary>
    public static Str Text(Renderer r, object? value) => Repr.Show(value, r.Budget);

    /// <summary>A function that gets an attribute of a value: dots go deeper, numbers are indices.</summary>
    public static Func<object?, object?> Getter(Renderer r, object? attribute, bool lower = false, object? otherwise = null)
    {
        object?[] parts = attribute switch
        {
            null => [],
            Str path => [.. path.Value.Split('.').Select(p => p.Length is > 0 and < 19 && p.All(char.IsAsciiDigit) ? long.Parse(p, System.Globalization.CultureInfo.InvariantCulture) : (object)Str.Of(p))],
            _ => [attribute],
        };
        return item =>
        {
            r.Budget.Step();
            foreach (var part in parts)
            {
                item = Attributes.Item(item, part, r);
                if (otherwise is not null && item is Undefined) item = otherwise;
            }
            return lower && item is Str text ? Casing.Change("lower", text) : item;
        };
    }
}
