namespace WarpDecode.Kernels.Cpu;

/// <summary>
/// mid[t, k] = silu(gate·h) · (up·h): the first warp-decode kernel with a core in the place of a warp. An item is a few neurons
/// of one expert; the expert's gate and up rows are read once, together, in one pass over h, for all tokens routed to it.
/// </summary>
internal sealed unsafe class MoeGateUp : Job
{
    private float* h;
    private float* mid;
    private HostWeight? gate;
    private HostWeight? up;
    private HostRouting? routing;
    private int chunks;

    public void Run(WorkerPool pool, float* input, HostWeight gateWeight, HostWeight upWeight, HostRouting routes, float* output)
    {
        h = input;
        mid = output;
        (gate, up, routing) = (gateWeight, upWeight, routes);
        chunks = (gate.Rows + Products.RowsAtOnce - 1) / Products.RowsAtOnce;
        pool.Run(this, routes.ActiveCount * chunks);
        (gate, up, routing) = (null, null, null);
    }

    public override void Do(int begin, int end, int worker)
    {
        for (var item = begin; item < end; item++)
            Neurons(routing!.Active[item / chunks], item % chunks * Products.RowsAtOnce);
    }

    private void Neurons(int expert, int first)
    {
        var (rows, columns) = (gate!.Rows, gate.Columns);
        var last = Math.Min(first + Products.RowsAtOnce, rows);
        var pairs = routing!.ByExpert + routing.Offsets[expert];
        var count = routing.Offsets[expert + 1] - routing.Offsets[expert];
        var x = stackalloc float*[4];
        var g = stackalloc float[4];
        var u = stackalloc float[4];
        var i = 0;
        for (; i + 4 <= count; i += 4)
        {
            for (var j = 0; j < 4; j++) x[j] = Token(pairs[i + j]);
            for (var f = first; f < last; f++)
            {
                gate.Kernel.Dot4(gate.Row(expert, f), up!.Row(expert, f), x, columns, g, u);
                for (var j = 0; j < 4; j++) mid[((long)pairs[i + j] * rows) + f] = Silu(g[j]) * u[j];
            }
        }
        for (; i < count; i++)
        {
            var token = Token(pairs[i]);
            for (var f = first; f < last; f++)
            {
                gate.Kernel.Dot(gate.Row(expert, f), up!.Row(expert, f), token, columns, g, u);
                mid[((long)pairs[i] * rows) + f] = Silu(g[0]) * u[0];
            }
        }
    }

    private float* Token(int pair) => h + ((long)(pair / routing!.TopK) * gate!.Columns);

    private static float Silu(float x) => x / (1 + MathF.Exp(-x));
}
