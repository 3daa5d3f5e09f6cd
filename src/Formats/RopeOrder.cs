namespace WarpDecode.Formats;

/// <summary>
/// The two orders in which files keep the rows of a query or key head of d lanes. In halves, as Hugging Face has them, rope turns
/// lane i with lane i + d/2; in neighbours, as GGUF files of <c>llama</c> have them, lane 2i with lane 2i + 1. Row 2i + j of the
/// one is row i + j·d/2 of the other.
/// </summary>
internal static class RopeOrder
{
    /// <summary>For each row in the order of halves, its row in a tensor in the order of neighbours.</summary>
    public static int[] ToHalves(int heads, int headDim) => Rows(heads, headDim, row => (row % (headDim / 2) * 2) + (row / (headDim / 2)));

    /// <summary>For each row in the order of neighbours, its row in a tensor in the order of halves.</summary>
    public static int[] ToNeighbours(int heads, int headDim) => Rows(heads, headDim, row => (row / 2) + (row % 2 * (headDim / 2)));

    private static int[] Rows(int heads, int headDim, Func<int, int> inHead) =>
        [.. Enumerable.Range(0, heads * headDim).Select(row => (row / headDim * headDim) + inHead(row % headDim))];
}
