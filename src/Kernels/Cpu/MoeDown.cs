namespace WarpDecode.Kernels.Cpu;

/// <summary>
/// x[t] += Σₖ weight · down·mid[t, k]: the second warp-decode kernel. An item is a few output values; for each of them the rows
/// of the routed experts are read once, their products are folded with the routing weights in one FP32 sum in the order of
/// the slots, and the result is written once, with the residual.
/// </summary>
internal sealed unsafe class MoeDown : Job, IDisposable
{
    private float* mid;
    private float* x;
    private HostWeight? down;
    private HostRouting? routing;
    private int tokens;
    private HostMemory? scratch;
    private long pairCapacity;
    private int workers;

    public void Run(WorkerPool pool, float* input, HostWeight weight, HostRouting routes, int count, float* output)
    {
        mid = input;
        x = output;
        (down, routing, tokens) = (weight, routes, count);
        Reserve(pool.Workers, (long)count * routes.TopK);
        pool.Run(this, (weight.Rows + Products.RowsAtOnce - 1) / Products.RowsAtOnce);
        (down, routing) = (null, null);
    }

    public override void Do(int begin, int end, int worker)
    {
        for (var item = begin; item < end; item++) Outputs(item * Products.RowsAtOnce, worker);
    }

    public void Dispose() => scratch?.Dispose();

    private void Outputs(int first, int worker)
    {
        var rows = Math.Min(Products.RowsAtOnce, down!.Rows - first);
        var topK = routing!.TopK;
        // This worker's scratch: products [pairs, RowsAtOnce], and pointers to inputs and products of one expert's pairs.
        var products = (float*)(scratch!.Start + (worker * ScratchBytes(pairCapacity)));
        var inputs = (float**)(products + (pairCapacity * Products.RowsAtOnce));
        var outputs = inputs + pairCapacity;
        for (var a = 0; a < routing.ActiveCount; a++)
        {
            var expert = routing.Active[a];
            var pairs = routing.ByExpert + routing.Offsets[expert];
            var count = routing.Offsets[expert + 1] - routing.Offsets[expert];
            for (var i = 0; i < count; i++)
            {
                inputs[i] = mid + ((long)pairs[i] * down.Columns);
                outputs[i] = products + ((long)pairs[i] * Products.RowsAtOnce);
            }
            Products.Multiply(down.Kernel, down.Row(expert, first), down.RowBytes, rows, down.Columns, inputs, outputs, count, 0, add: false);
        }
        for (var t = 0; t < tokens; t++)
        {
            var y = x + ((long)t * down.Rows) + first;
            for (var r = 0; r < rows; r++)
            {
                var sum = 0f;
                for (var k = 0; k < topK; k++)
                {
                    var pair = (t * topK) + k;
                    sum += routing.Weights[pair] * products[((long)pair * Products.RowsAtOnce) + r];
                }
                y[r] += sum;
            }
        }
    }

    private static long ScratchBytes(long pairs) => pairs * ((Products.RowsAtOnce * sizeof(float)) + (2 * sizeof(float*)));

    private void Reserve(int workerCount, long pairs)
    {
        if (pairs <= pairCapacity && workerCount <= workers) return;
        scratch?.Dispose();
        scratch = new HostMemory(ScratchBytes(pairs) * workerCount);
        (pairCapacity, workers) = (pairs, workerCount);
    }
}
