namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Arguments of a call: by place, then by name.</summary>
internal readonly struct Arguments(object?[] positional, KeyValuePair<string, object?>[] named)
{
    /// <summary>Stands for an argument that was not given.</summary>
    public static readonly object Missing = new();

    public static readonly Arguments None = new([], []);

    public object?[] Positional { get; } = positional;

    public KeyValuePair<string, object?>[] Named { get; } = named;

    /// <summary>The same, with a value in front: what a filter is applied to.</summary>
    public Arguments Behind(object? value) => new([value, .. Positional], Named);

    /// <summary>The values of parameters, in their order; <see cref="Missing"/> where one was not given.</summary>
    /// <param name="function">Whose parameters.</param>
    /// <param name="required">How many must be given.</param>
    /// <param name="names">Their names.</param>
    public object?[] Bind(string function, int required, params ReadOnlySpan<string> names)
    {
        if (Positional.Length > names.Length)
        {
            var takes = required == names.Length ? $"{required}" : $"from {required} to {names.Length}";
            RenderError.Type($"{function}() takes {takes} positional argument{(names.Length == 1 ? "" : "s")} but {Positional.Length} {(Positional.Length == 1 ? "was" : "were")} given");
        }
        var values = new object?[names.Length];
        for (var i = 0; i < values.Length; i++) values[i] = i < Positional.Length ? Positional[i] : Missing;
        foreach (var (name, value) in Named)
        {
            var at = names.IndexOf(name);
            if (at < 0) RenderError.Type($"{function}() got an unexpected keyword argument '{name}'");
            if (at < Positional.Length) RenderError.Type($"{function}() got multiple values for argument '{name}'");
            values[at] = value;
        }
        var lacking = new List<string>();
        for (var i = 0; i < required; i++)
        {
            if (ReferenceEquals(values[i], Missing)) lacking.Add(Repr.Quote(names[i]));
        }
        if (lacking.Count > 0)
        {
            var list = lacking.Count == 1 ? lacking[0] : string.Join(", ", lacking[..^1]) + (lacking.Count > 2 ? "," : "") + " and " + lacking[^1];
            RenderError.Type($"{function}() missing {lacking.Count} required positional argument{(lacking.Count == 1 ? "" : "s")}: {list}");
        }
        return values;
    }

    /// <summary>The value of an argument, or another if it was not given.</summary>
    public static object? Or(object? value, object? otherwise) => ReferenceEquals(value, Missing) ? otherwise : value;
}
