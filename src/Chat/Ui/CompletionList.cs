namespace WarpDecode.Chat.Ui;

/// <summary>The candidates that are shown, and which of them is chosen.</summary>
internal sealed class CompletionList
{
    private IReadOnlyList<Completion> candidates = [];

    public IReadOnlyList<Completion> Candidates => candidates;

    /// <summary>Which one was chosen; -1 while none was.</summary>
    public int Selected { get; private set; } = -1;

    public bool IsOpen => candidates.Count > 0;

    /// <summary>The one that was chosen.</summary>
    public Completion? Chosen => Selected >= 0 && Selected < candidates.Count ? candidates[Selected] : null;

    public void Show(IReadOnlyList<Completion> list) => (candidates, Selected) = (list, -1);

    public void Close() => Show([]);

    /// <summary>Chooses the next, or the one before, around the end.</summary>
    public void Move(int by)
    {
        if (candidates.Count > 0) Selected = Selected < 0 ? (by > 0 ? 0 : candidates.Count - 1) : (Selected + by + candidates.Count) % candidates.Count;
    }

    /// <summary>What all candidates begin with.</summary>
    public string Common()
    {
        if (candidates.Count == 0) return "";
        var common = candidates[0].Text;
        foreach (var c in candidates)
        {
            var n = 0;
            while (n < common.Length && n < c.Text.Length && common[n] == c.Text[n]) n++;
            common = common[..n];
        }
        return common.Length > 0 && char.IsHighSurrogate(common[^1]) ? common[..^1] : common;
    }

    /// <summary>Which candidates are visible in so many rows: the chosen one is among them.</summary>
    public (int First, int Count) Window(int rows)
    {
        var count = Math.Min(rows, candidates.Count);
        return (Math.Clamp(Selected - count + 1, 0, Math.Max(0, candidates.Count - count)), count);
    }
}
