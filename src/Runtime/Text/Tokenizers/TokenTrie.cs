using System.Runtime.CompilerServices;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>Tokens by their texts, character by character: all that a text begins with are found on one way.</summary>
internal sealed class TokenTrie
{
    private readonly List<Node> nodes = [default];

    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // runs once, over the whole vocabulary
    public TokenTrie(string[] texts, Func<int, bool> has)
    {
        var order = Enumerable.Range(0, texts.Length).Where(id => texts[id].Length > 0 && has(id)).ToArray();
        Array.Sort(order, (a, b) => string.CompareOrdinal(texts[a], texts[b]) is not 0 and var c ? c : a - b);
        nodes[0] = new Node { Value = -1 };
        // Level by level: the children of a node, a range of the sorted texts, come to lie together.
        var open = new Queue<(int Node, int From, int To, int Depth)>();
        open.Enqueue((0, 0, order.Length, 0));
        while (open.TryDequeue(out var range))
        {
            var (node, from, to, depth) = range;
            var first = nodes.Count;
            while (from < to)
            {
                var c = texts[order[from]][depth];
                var end = from + 1;
                while (end < to && texts[order[end]][depth] == c) end++;
                var child = new Node { Label = c, Value = -1 };
                var next = from;
                if (texts[order[from]].Length == depth + 1)
                {
                    child.Value = order[from]; // of equal texts the first
                    while (next < end && texts[order[next]].Length == depth + 1) next++;
                }
                if (next < end) open.Enqueue((nodes.Count, next, end, depth + 1));
                nodes.Add(child);
                from = end;
            }
            var parent = nodes[node];
            (parent.First, parent.Count) = (first, nodes.Count - first);
            nodes[node] = parent;
        }
    }

    private struct Node
    {
        public int First;
        public int Count;
        public int Value;
        public char Label;
    }

    public const int Root = 0;

    /// <summary>The node that a character leads to, or -1.</summary>
    public int Step(int node, char c)
    {
        var all = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(nodes);
        var (low, high) = (all[node].First, all[node].First + all[node].Count - 1);
        while (low <= high)
        {
            var middle = (low + high) >>> 1;
            var label = all[middle].Label;
            if (label == c) return middle;
            if (label < c) low = middle + 1;
            else high = middle - 1;
        }
        return -1;
    }

    /// <summary>The token that ends at a node, or -1.</summary>
    public int ValueOf(int node) => nodes[node].Value;
}
