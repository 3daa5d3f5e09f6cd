namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>
/// Variables of a block, within those around it. Names are interned, so few of them are mostly found by reference; but not where the program was compiled
/// ahead of time, whose literals are not.
/// </summary>
internal sealed class Scope(Scope? parent)
{
    private const int Few = 16;
    private string[] names = [];
    private object?[] values = [];
    private int count;
    private Dictionary<string, int>? index;

    public Scope? Parent { get; } = parent;

    /// <summary>Looks here, then outwards.</summary>
    public bool TryGet(string name, out object? value)
    {
        for (var scope = this; scope is not null; scope = scope.Parent)
        {
            if (scope.Find(name) is >= 0 and var at)
            {
                value = scope.values[at];
                return true;
            }
        }
        value = null;
        return false;
    }

    public void Set(string name, object? value)
    {
        var at = Find(name);
        if (at >= 0)
        {
            values[at] = value;
            return;
        }
        if (count == names.Length)
        {
            Array.Resize(ref names, Math.Max(4, 2 * count));
            Array.Resize(ref values, names.Length);
        }
        (names[count], values[count]) = (name, value);
        index?.Add(name, count);
        count++;
        if (index is not null || count <= Few) return;
        index = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < count; i++) index.Add(names[i], i);
    }

    private int Find(string name)
    {
        if (index is not null) return index.TryGetValue(name, out var at) ? at : -1;
        for (var i = 0; i < count; i++)
        {
            if (names[i] == name) return i;
        }
        return -1;
    }
}
