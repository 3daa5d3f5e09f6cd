namespace WarpDecode.Kernels.Cpu;

/// <summary>
/// mid[t, k] = silu(gate·h) · (up·h): the first warp-decode kernel with a core in the place of a warp. An item is a few neurons
/// of one expert; the expert's gate and up rows are read once, together, in one pass over h, for all tokens routed to it.
/// </summary>
internal sealed unsafe class MoeGateUp : Job, IDisposable
{
    private float* h;
    private float* mid;
    private HostWeight? gate;
    private HostWeight? up;
    private HostRouting? routing;
    private int chunks;
    private HostMemory? inputs; // [workers, pairs] pointers to the tokens of one expert
    private int capacity;

    public void Run(WorkerPool pool, float* input, HostWeight gateWeight, HostWeight upWeight, HostRouting routes, int tokens, float* output)
    {
        h = input;
        mid = output;
        (gate, up, routing) = (gateWeight, upWeight, routes);
        chunks = (gate.Rows + Products.RowsAtOnce - 1) / Products.RowsAtOnce;
        Reserve(pool.Workers, tokens * routes.TopK);
        pool.Run(this, routes.ActiveCount * chunks);
        (gate, up, routing) = (null, null, null);
    }

    public override void Do(int begin, int end, int worker)
    {
        for (var item = begin; item < end; item++)
            Neurons(routing!.Active[item / chunks], item % chunks * Products.RowsAtOnce, worker);
    }

    public void Dispose() => inputs?.Dispose();

    private void Neurons(int expert, int first, int worker)
    {
        var rows = Math.Min(Products.RowsAtOnce, gate!.Rows - first);
        var pairs = routing!.ByExpert + routing.Offsets[expert];
        var count = routing.Offsets[expert + 1] - routing.Offsets[expert];
        var x = (float**)inputs!.Start + ((long)worker * capacity);
        for (var i = 0; i < count; i++) x[i] = h + ((long)(pairs[i] / routing.TopK) * gate.Columns);
        var sink = new SwiGlu(mid + first, gate.Rows, pairs);
        Products.MultiplyPairs(gate.Kernel, gate.Row(expert, first), up!.Row(expert, first), gate.RowBytes, rows, gate.Columns, x, count, ref sink);
    }

    private void Reserve(int workers, int pairs)
    {
        if (pairs <= capacity && inputs is not null) return;
        inputs?.Dispose();
        inputs = new HostMemory((long)workers * pairs * sizeof(float*));
        capacity = pairs;
    }

    /// <summary>mid[pair, neuron] = silu(gate) · up.</summary>
    private struct SwiGlu(float* output, int ff, int* pairs) : IPairSink
    {
        public int FirstRow { private get; set; }

        public readonly void Put(int token, int row, float a, float b) =>
            output[((long)pairs[token] * ff) + FirstRow + row] = a / (1 + MathF.Exp(-a)) * b;
    }
}
