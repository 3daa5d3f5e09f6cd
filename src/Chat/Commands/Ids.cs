using System.Globalization;

namespace WarpDecode.Chat.Commands;

/// <summary>Lists of token ids on the command line.</summary>
internal static class Ids
{
    private static readonly char[] Separators = [',', ' ', '\t', '\n', '\r', '[', ']'];

    /// <exception cref="UsageException">Not a number, or not an id of this model.</exception>
    public static int[] Parse(string text, int count) => [.. text.Split(Separators, StringSplitOptions.RemoveEmptyEntries).Select(part =>
    {
        if (!long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            throw new UsageException($"'{part}' is not a token id", "Give ids like 1,2,3.");
        if (id >= count) throw new UsageException($"token id {id} is outside the vocabulary", $"Ids of this model are 0 to {count - 1}.");
        return (int)id;
    })];
}
