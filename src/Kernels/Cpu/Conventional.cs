using System.Numerics;
using WarpDecode.Formats;

namespace WarpDecode.Kernels.Cpu;

/// <summary>
/// The expert-centric path that warp decode is measured against. Each of the two operations takes the stages of the usual
/// implementations, every one through memory:
/// <list type="number">
/// <item>arrange: the tokens of each expert stand together, padded to whole tiles of four (a lone token is not: on a CPU a padded row
/// costs as much as a real one) [P rows];</item>
/// <item>gather: each token's activations are quantized once and copied to all of its rows;</item>
/// <item>grouped products: an item is sixteen weight rows of one expert, all tiles of its tokens, into a buffer in the order of the rows;</item>
/// <item>activation and scatter, mid[t, k] = silu(gate) · up, or combine, x[t] += Σₖ weight · output.</item>
/// </list>
/// Quantized weights are multiplied in integers (<see cref="IntegerRows"/>), with activations in 8-bit blocks of 32; floating-point ones
/// in FP32 with activations rounded to the weights' type, as llama.cpp pairs them. With MXFP8, which no CPU multiplies, activations are
/// rounded (<see cref="Cpu.Mxfp8"/>), and all products are FP32: right in its results, not in its speed.
/// </summary>
/// <param name="mxfp8">Whether activations are MXFP8.</param>
internal sealed unsafe class Conventional(bool mxfp8) : IDisposable
{
    private const int TileTokens = 4;
    private readonly Gather gather = new();
    private readonly GateUpProducts gateUpProducts = new();
    private readonly Activate activate = new();
    private readonly DownProducts downProducts = new();
    private readonly Combine combine = new();
    private readonly Buffer gathered = new();
    private readonly Buffer results = new();
    private readonly Buffer pointers = new();
    private readonly Buffer lists = new();
    private int* places;   // padded row of each pair [T, K]
    private int* firstRow; // first padded row of each active expert
    private int* padding;  // padded rows without a token
    private int paddingCount;
    private int rows;      // P

    /// <summary>How the activations of a weight are held.</summary>
    private enum Form
    {
        Integers,
        Mxfp8,
        Float,
    }

    /// <summary>mid[t, k] = silu(gate[e]·h[t]) · (up[e]·h[t]).</summary>
    public void GateUp(WorkerPool pool, float* h, HostWeight gate, HostWeight up, HostRouting routing, int tokens, float* mid)
    {
        if (gate.Type != up.Type) throw new NotSupportedException($"{gate.Name} is {gate.Type}, but {up.Name} {up.Type}: the conventional path needs one type for both");
        Arrange(routing, tokens);
        GatherRows(pool, h, tokens, routing.TopK, gate);
        var projected = (float*)results.Reserve(rows * 2L * gate.Rows * sizeof(float));
        gateUpProducts.Run(pool, this, gate, up, routing, projected);
        activate.Run(pool, projected, places, tokens * routing.TopK, gate.Rows, mid);
    }

    /// <summary>x[t] += Σₖ weight(t, k) · down[e]·mid[t, k].</summary>
    public void Down(WorkerPool pool, float* mid, HostWeight down, HostRouting routing, int tokens, float* x)
    {
        Arrange(routing, tokens);
        GatherRows(pool, mid, tokens * routing.TopK, 1, down);
        var outputs = (float*)results.Reserve((long)rows * down.Rows * sizeof(float));
        downProducts.Run(pool, this, down, routing, outputs);
        combine.Run(pool, outputs, places, routing, tokens, down.Rows, x);
    }

    public void Dispose()
    {
        gathered.Dispose();
        results.Dispose();
        pointers.Dispose();
        lists.Dispose();
    }

    // Weights of 8-bit floats have no integers to multiply with: activations become 8-bit floats too.
    private Form FormOf(HostWeight weight) =>
        mxfp8 ? Form.Mxfp8 : weight.Kernel.Integers is not null ? Form.Integers : weight.Type.BlockValues() > 1 ? Form.Mxfp8 : Form.Float;

    private long RowBytes(HostWeight weight) => FormOf(weight) == Form.Integers ? weight.Kernel.Integers!.RowBytes(weight.Columns) : (long)weight.Columns * sizeof(float);

    private void Arrange(HostRouting routing, int tokens)
    {
        var pairs = tokens * routing.TopK;
        places = (int*)lists.Reserve((2L * pairs * sizeof(int)) + (routing.Experts * (long)sizeof(int)));
        padding = places + pairs; // of n > 1 tokens at most n more are added
        firstRow = padding + pairs;
        (rows, paddingCount) = (0, 0);
        for (var a = 0; a < routing.ActiveCount; a++)
        {
            firstRow[a] = rows;
            var (from, to) = (routing.Offsets[routing.Active[a]], routing.Offsets[routing.Active[a] + 1]);
            for (var i = from; i < to; i++) places[routing.ByExpert[i]] = rows++;
            if (to - from == 1) continue;
            while ((rows - firstRow[a]) % TileTokens != 0) padding[paddingCount++] = rows++;
        }
    }

    private void GatherRows(WorkerPool pool, float* source, int count, int copies, HostWeight weight)
    {
        var bytes = RowBytes(weight);
        gather.Run(pool, this, FormOf(weight), source, count, copies, weight, gathered.Reserve(rows * bytes), bytes);
    }

    /// <summary>Memory that grows to what the largest step needs and stays.</summary>
    private sealed class Buffer : IDisposable
    {
        private HostMemory? memory;
        private long capacity;

        public byte* Start => memory!.Start;

        public byte* Reserve(long bytes)
        {
            if (memory is null || bytes > capacity)
            {
                memory?.Dispose();
                memory = new HostMemory(bytes);
                capacity = bytes;
            }
            return memory.Start;
        }

        public void Dispose() => memory?.Dispose();
    }

    /// <summary>Items are sources, then rows of padding.</summary>
    private sealed class Gather : Job
    {
        private Conventional? owner;
        private HostWeight? weight;
        private Form form;
        private float* source;
        private byte* to;
        private long rowBytes;
        private int sources;
        private int copies;

        public void Run(WorkerPool pool, Conventional path, Form activations, float* x, int count, int copiesOfEach, HostWeight w, byte* rows, long bytes)
        {
            (owner, weight, form, rowBytes) = (path, w, activations, bytes);
            source = x;
            to = rows;
            (sources, copies) = (count, copiesOfEach);
            pool.Run(this, count + path.paddingCount);
            (owner, weight) = (null, null);
        }

        public override void Do(int begin, int end, int worker)
        {
            var columns = weight!.Columns;
            for (var item = begin; item < end; item++)
            {
                if (item >= sources)
                {
                    new Span<byte>(to + (owner!.padding[item - sources] * rowBytes), (int)rowBytes).Clear();
                    continue;
                }
                var x = source + ((long)item * columns);
                var places = owner!.places + ((long)item * copies);
                var first = to + (places[0] * rowBytes);
                switch (form)
                {
                    case Form.Integers:
                        weight.Kernel.Integers!.Quantize(x, columns, first);
                        break;
                    case Form.Mxfp8:
                        Mxfp8.Round(x, (float*)first, columns);
                        break;
                    default:
                        Rounding.ToType(weight.Type, x, (float*)first, columns);
                        break;
                }
                for (var k = 1; k < copies; k++)
                    new ReadOnlySpan<byte>(first, (int)rowBytes).CopyTo(new Span<byte>(to + (places[k] * rowBytes), (int)rowBytes));
            }
        }
    }

    /// <summary>What the two grouped products share: items are (active expert, sixteen rows).</summary>
    private abstract class GroupedProducts : Job
    {
        private int chunks;
        private int pointersEach;

        protected Conventional? Owner { get; private set; }

        protected HostWeight? Weight { get; private set; }

        protected HostRouting? Routing { get; private set; }

        protected bool InIntegers { get; private set; }

        protected byte* Gathered { get; private set; }

        protected long RowBytes { get; private set; }

        public override void Do(int begin, int end, int worker)
        {
            for (var item = begin; item < end; item++)
            {
                var active = item / chunks;
                var first = item % chunks * Products.RowsAtOnce;
                var expert = Routing!.Active[active];
                var count = Routing.Offsets[expert + 1] - Routing.Offsets[expert];
                Multiply(expert, Owner!.firstRow[active], count, first, Math.Min(Products.RowsAtOnce, Weight!.Rows - first), worker);
            }
        }

        protected void Start(WorkerPool pool, Conventional owner, HostWeight weight, HostRouting routing)
        {
            (Owner, Weight, Routing) = (owner, weight, routing);
            InIntegers = owner.FormOf(weight) == Form.Integers;
            Gathered = owner.gathered.Start;
            RowBytes = owner.RowBytes(weight);
            pointersEach = 2 * routing.Tokens * routing.TopK;
            owner.pointers.Reserve((long)pool.Workers * pointersEach * sizeof(float*));
            chunks = (weight.Rows + Products.RowsAtOnce - 1) / Products.RowsAtOnce;
            pool.Run(this, routing.ActiveCount * chunks);
            (Owner, Weight, Routing) = (null, null, null);
        }

        /// <summary>Pointers to the FP32 activations of some rows, for the FP32 products; room for as many behind them.</summary>
        protected float** Inputs(int row, int count, int worker)
        {
            var x = (float**)Owner!.pointers.Start + ((long)worker * pointersEach);
            for (var i = 0; i < count; i++) x[i] = (float*)(Gathered + ((row + i) * RowBytes));
            return x;
        }

        /// <summary>Products of some weight rows with the activations from padded row <paramref name="row"/> on.</summary>
        protected abstract void Multiply(int expert, int row, int count, int first, int weightRows, int worker);
    }

    /// <summary>projected [P, 2F]: gate, then up.</summary>
    private sealed class GateUpProducts : GroupedProducts
    {
        private HostWeight? up;
        private float* projected;

        public void Run(WorkerPool pool, Conventional owner, HostWeight gate, HostWeight upWeight, HostRouting routing, float* output)
        {
            up = upWeight;
            projected = output;
            Start(pool, owner, gate, routing);
            up = null;
        }

        protected override void Multiply(int expert, int row, int count, int first, int weightRows, int worker)
        {
            var (gate, ff) = (Weight!, Weight!.Rows);
            var g = gate.Row(expert, first);
            var u = up!.Row(expert, first);
            var output = projected + ((long)row * 2 * ff) + first;
            if (!InIntegers)
            {
                var sink = new Put(output, ff);
                Products.MultiplyPairs(gate.Kernel, g, u, gate.RowBytes, weightRows, gate.Columns, Inputs(row, count, worker), count, ref sink);
                return;
            }
            var kernel = gate.Kernel.Integers!;
            var x = Gathered + (row * RowBytes);
            if (count == 1)
            {
                for (var r = 0; r < weightRows; r++)
                    kernel.Dot(g + (r * gate.RowBytes), u + (r * gate.RowBytes), x, gate.Columns, output + r, output + ff + r);
                return;
            }
            var a = stackalloc float[8];
            for (var t = 0; t < count; t += TileTokens)
            {
                for (var r = 0; r < weightRows; r++)
                {
                    kernel.Dot4(g + (r * gate.RowBytes), u + (r * gate.RowBytes), x + (t * RowBytes), (int)RowBytes, gate.Columns, a, a + 4);
                    for (var i = 0; i < TileTokens; i++)
                    {
                        var y = output + ((t + i) * 2L * ff) + r;
                        (y[0], y[ff]) = (a[i], a[4 + i]);
                    }
                }
            }
        }

        private struct Put(float* output, int ff) : IPairSink
        {
            public int FirstRow { private get; set; }

            readonly void IPairSink.Put(int token, int row, float a, float b)
            {
                var y = output + (token * 2L * ff) + FirstRow + row;
                (y[0], y[ff]) = (a, b);
            }
        }
    }

    /// <summary>mid[pair] = silu(gate) · up, from the pair's padded row; items are pairs.</summary>
    private sealed class Activate : Job
    {
        private float* projected;
        private float* mid;
        private int* places;
        private int ff;

        public void Run(WorkerPool pool, float* input, int* rowOfPair, int pairs, int neurons, float* output)
        {
            projected = input;
            mid = output;
            places = rowOfPair;
            ff = neurons;
            pool.Run(this, pairs);
        }

        public override void Do(int begin, int end, int worker)
        {
            for (var pair = begin; pair < end; pair++)
            {
                var gate = projected + (places[pair] * 2L * ff);
                var y = mid + ((long)pair * ff);
                for (var f = 0; f < ff; f++) y[f] = gate[f] / (1 + MathF.Exp(-gate[f])) * gate[ff + f];
            }
        }
    }

    /// <summary>outputs [P, H].</summary>
    private sealed class DownProducts : GroupedProducts
    {
        private float* outputs;

        public void Run(WorkerPool pool, Conventional owner, HostWeight down, HostRouting routing, float* output)
        {
            outputs = output;
            Start(pool, owner, down, routing);
        }

        protected override void Multiply(int expert, int row, int count, int first, int weightRows, int worker)
        {
            var down = Weight!;
            var w = down.Row(expert, first);
            var output = outputs + ((long)row * down.Rows) + first;
            if (!InIntegers)
            {
                var inputs = Inputs(row, count, worker);
                var y = inputs + count;
                for (var i = 0; i < count; i++) y[i] = output + ((long)i * down.Rows);
                Products.Multiply(down.Kernel, w, down.RowBytes, weightRows, down.Columns, inputs, y, count, 0, add: false);
                return;
            }
            var kernel = down.Kernel.Integers!;
            var x = Gathered + (row * RowBytes);
            var a = stackalloc float[8];
            for (var t = 0; t < count; t += TileTokens)
            {
                for (var r = 0; r < weightRows; r += 2)
                {
                    // The last of an odd number of rows is its own partner.
                    var b = Math.Min(r + 1, weightRows - 1);
                    var rowA = w + (r * down.RowBytes);
                    var rowB = w + (b * down.RowBytes);
                    if (count == 1) kernel.Dot(rowA, rowB, x, down.Columns, a, a + 4);
                    else kernel.Dot4(rowA, rowB, x + (t * RowBytes), (int)RowBytes, down.Columns, a, a + 4);
                    for (var i = 0; i < Math.Min(TileTokens, count - t); i++)
                    {
                        var y = output + ((long)(t + i) * down.Rows);
                        (y[r], y[b]) = (a[i], b == r ? a[i] : a[4 + i]);
                    }
                }
            }
        }
    }

    /// <summary>x[t] += Σₖ weight · output of (t, k), in the order of the slots; items are (token, columns).</summary>
    private sealed class Combine : Job
    {
        private const int ColumnsAtOnce = 1024;
        private float* outputs;
        private float* x;
        private int* places;
        private HostRouting? routing;
        private int hidden;
        private int chunks;

        public void Run(WorkerPool pool, float* input, int* rowOfPair, HostRouting routes, int tokens, int columns, float* output)
        {
            outputs = input;
            x = output;
            places = rowOfPair;
            (routing, hidden) = (routes, columns);
            chunks = (columns + ColumnsAtOnce - 1) / ColumnsAtOnce;
            pool.Run(this, tokens * chunks);
            routing = null;
        }

        public override void Do(int begin, int end, int worker)
        {
            var topK = routing!.TopK;
            for (var item = begin; item < end; item++)
            {
                var token = item / chunks;
                var c = item % chunks * ColumnsAtOnce;
                var last = Math.Min(hidden, c + ColumnsAtOnce);
                var y = x + ((long)token * hidden);
                for (; c + Vector<float>.Count <= last; c += Vector<float>.Count)
                {
                    var sum = Vector<float>.Zero;
                    for (var pair = token * topK; pair < (token + 1) * topK; pair++)
                        sum += Vector.Load(outputs + ((long)places[pair] * hidden) + c) * routing.Weights[pair];
                    (Vector.Load(y + c) + sum).Store(y + c);
                }
                for (; c < last; c++)
                {
                    var sum = 0f;
                    for (var pair = token * topK; pair < (token + 1) * topK; pair++) sum += outputs[((long)places[pair] * hidden) + c] * routing.Weights[pair];
                    y[c] += sum;
                }
            }
        }
    }
}
