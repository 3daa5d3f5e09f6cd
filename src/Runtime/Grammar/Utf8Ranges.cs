namespace WarpDecode.Runtime.Grammars;

/// <summary>Splits ranges of characters into sequences of byte ranges, as their UTF-8 is.</summary>
internal static class Utf8Ranges
{
    /// <summary>Calls <paramref name="found"/> with the lowest and the highest bytes of each sequence.</summary>
    public static void Split(CodePoints set, Action<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>> found)
    {
        ReadOnlySpan<int> lasts = [0x7F, 0x7FF, 0xFFFF, 0x10FFFF];
        foreach (var (low, high) in set.Ranges)
        {
            var from = low;
            for (var length = 1; length <= 4 && from <= high; length++)
            {
                if (from > lasts[length - 1]) continue;
                var to = Math.Min(high, lasts[length - 1]);
                SplitOfLength(from, to, length, found);
                from = to + 1;
            }
        }
    }

    private static void SplitOfLength(int low, int high, int length, Action<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>> found)
    {
        // A range is one sequence where, from the first byte that differs on, the lower bytes go over all of 80..BF.
        for (var tail = 1; tail < length; tail++)
        {
            var mask = (1 << (6 * tail)) - 1;
            if ((low & ~mask) == (high & ~mask)) break;
            if ((low & mask) != 0)
            {
                SplitOfLength(low, low | mask, length, found);
                SplitOfLength((low | mask) + 1, high, length, found);
                return;
            }
            if ((high & mask) != mask)
            {
                SplitOfLength(low, (high & ~mask) - 1, length, found);
                SplitOfLength(high & ~mask, high, length, found);
                return;
            }
        }
        found(Encode(low, length), Encode(high, length));
    }

    private static byte[] Encode(int point, int length)
    {
        if (length == 1) return [(byte)point];
        var bytes = new byte[length];
        for (var i = length - 1; i > 0; i--, point >>= 6) bytes[i] = (byte)(0x80 | (point & 0x3F));
        bytes[0] = (byte)((0xF00 >> length) | point);
        return bytes;
    }
}
