using System.Text;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>Builds a string with its trust, within the budget.</summary>
internal sealed class TextBuilder(Budget budget)
{
    private readonly StringBuilder text = new();
    private List<int>? flips;
    private bool first;
    private bool last;

    public Budget Budget => budget;

    public int Length => text.Length;

    public TextBuilder Append(string piece, bool trusted = true) => Append(piece.AsSpan(), trusted);

    public TextBuilder Append(ReadOnlySpan<char> piece, bool trusted)
    {
        if (piece.IsEmpty) return this;
        Note(piece.Length, trusted);
        text.Append(piece);
        return this;
    }

    public TextBuilder Append(char c, bool trusted, int count = 1)
    {
        if (count <= 0) return this;
        Note(count, trusted);
        text.Append(c, count);
        return this;
    }

    public TextBuilder Append(Str piece)
    {
        if (piece.IsUniform(out var trusted)) return Append(piece.Value.AsSpan(), trusted);
        return Append(piece, 0, piece.Value.Length);
    }

    /// <summary>A stretch in UTF-16.</summary>
    public TextBuilder Append(Str piece, int from, int to)
    {
        if (piece.IsUniform(out var same)) return Append(piece.Value.AsSpan(from, to - from), same);
        foreach (var (start, end, trusted) in piece.Runs(from, to)) Append(piece.Value.AsSpan(start, end - start), trusted);
        return this;
    }

    public Str ToStr() => Str.WithRuns(text.ToString(), first, flips);

    public override string ToString() => text.ToString();

    /// <summary>The stretches, for a tokenizer.</summary>
    public List<TextPart> ToParts()
    {
        var parts = new List<TextPart>((flips?.Count ?? 0) + 1);
        var all = text.ToString();
        var (at, trusted) = (0, first);
        foreach (var flip in flips ?? [])
        {
            parts.Add(new TextPart(all[at..flip], trusted));
            (at, trusted) = (flip, !trusted);
        }
        if (at < all.Length) parts.Add(new TextPart(all[at..], trusted));
        return parts;
    }

    private void Note(int length, bool trusted)
    {
        budget.Take(length);
        if (text.Length + (long)length > Budget.MaxLength) RenderError.Limit($"the template makes a text of more than {Budget.MaxLength} characters");
        if (text.Length == 0) first = last = trusted;
        if (last == trusted) return;
        (flips ??= []).Add(text.Length);
        last = trusted;
    }
}
