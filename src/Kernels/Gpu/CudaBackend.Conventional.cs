using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

// The expert FFN in the forms that warp decode is compared with (ExpertForm).
internal sealed unsafe partial class CudaBackend
{
    // Whose tiles of padded rows are known to the kernels that are queued now.
    private DeviceRouting? aligned;

    private ConventionalKernels? conventional;
    private (long Address, long Bytes) tileList;
    private (long Address, long Bytes) places;
    private (long Address, long Bytes) gathered;
    private (long Address, long Bytes) outputs;
    private (long Address, long Bytes) rounded;
    private Kernel<RoundArgs>? round;

    private bool IsConventional => options.Experts is ExpertForm.Conventional or ExpertForm.ConventionalMxfp8;

    private bool IsMx => options.Experts == ExpertForm.ConventionalMxfp8;

    /// <summary>Refuses experts that the form has no kernels for.</summary>
    private void CheckExperts(TensorView view, bool tiled)
    {
        if (!IsConventional || tiled) return;
        var form = IsMx ? "conventional-mxfp8" : "conventional";
        var (rows, columns) = (view.Shape[^2], view.Shape[^1]);
        if (view.Type != WeightType.BF16)
        {
            var tiles = Dispatch.GpuTiles(view.Type, device) is null ? "" : $"; {view.Type} needs rows a multiple of {Tiles.Rows} and columns a multiple of {Tiles.Columns}";
            throw Unsupported($"{view}: the cuda backend has no {form} form of experts for {view.Type} of {rows} × {columns}: it takes BF16, Q8_0, Q4_K and Q6_K{tiles}");
        }
        if (device.Capability < 80) throw Unsupported($"{view}: the {form} form of BF16 experts needs compute capability 8.0");
        if (rows % Conventional.TileRows != 0 || columns % Conventional.TileColumns != 0)
            throw Unsupported($"{view}: {rows} rows of {columns} weights; the {form} form of BF16 experts needs multiples of {Conventional.TileRows} and {Conventional.TileColumns}");
    }

    private void ConventionalGateUp(Step step, Tensor h, DeviceWeight gate, DeviceWeight up, DeviceRouting routes, Tensor mid)
    {
        var kernels = conventional ??= new ConventionalKernels(device);
        var tiles = Align(step, routes);
        var args = Arguments(routes, gate.Columns, gate.Rows, routes.TopK);
        args.Input = DeviceTensor.Of(h);
        args.Mid = DeviceTensor.Of(mid);
        args.Projected = ConventionalOutputs(tiles, 2 * gate.Rows);
        if (gate.Tiles is not null)
        {
            ConventionalTiles(args, gate, up.Address, 2, tiles, args.Projected);
        }
        else
        {
            ConventionalGather(ref args, tiles);
            (args.Gate, args.Up) = (gate.Address, up.Address);
            kernels.GateUp.Launch(args, 2 * gate.Rows / Conventional.TileRows, tiles);
        }
        kernels.Scatter.Launch(args, step.Count * routes.TopK, Blocks(gate.Rows, Rows.Threads));
    }

    private void ConventionalDown(Step step, Tensor mid, DeviceWeight down, DeviceRouting routes, Tensor x)
    {
        var kernels = conventional ??= new ConventionalKernels(device);
        var tiles = Align(step, routes);
        // Every slot has a row of its own.
        var args = Arguments(routes, down.Columns, down.Columns, 1);
        args.Input = DeviceTensor.Of(mid);
        args.X = DeviceTensor.Of(x);
        args.Outputs = ConventionalOutputs(tiles, down.Rows);
        if (down.Tiles is not null)
        {
            ConventionalTiles(args, down, 0, 1, tiles, args.Outputs);
        }
        else
        {
            ConventionalGather(ref args, tiles);
            (args.Down, args.Activated) = (down.Address, args.Gathered);
            kernels.Down.Launch(args with { Hidden = down.Rows }, down.Rows / Conventional.TileRows, tiles);
        }
        kernels.Combine.Launch(args with { Hidden = down.Rows, TopK = routes.TopK }, step.Count, Blocks(down.Rows, Rows.Threads));
    }

    /// <summary>Finds the tiles of padded rows, unless that is done; returns how many there can be.</summary>
    private int Align(Step step, DeviceRouting routes)
    {
        Group(step, routes);
        var slots = step.Count * routes.TopK;
        var active = MostActive(step, routes);
        var most = active + ((slots - active) / Conventional.TileTokens);
        var (list, rows) = (tileList.Address, places.Address);
        Room(ref tileList, (1 + (3L * most)) * sizeof(int), "activations");
        Room(ref places, (long)slots * sizeof(int), "activations");
        if (aligned == routes && (list, rows) == (tileList.Address, places.Address)) return most;
        conventional!.Align.Launch(Arguments(routes, 0, 0, routes.TopK), 1);
        aligned = routes;
        return most;
    }

    private ConventionalArgs Arguments(DeviceRouting routes, int hidden, int ff, int topK) => new()
    {
        Weights = routes.Weights,
        Offsets = routes.Offsets,
        Active = routes.Active,
        Slots = routes.Slots,
        Tiles = tileList.Address,
        Places = places.Address,
        Hidden = hidden,
        Ff = ff,
        TopK = topK,
    };

    private long ConventionalOutputs(int tiles, int rows) => Room(ref outputs, (long)tiles * Conventional.TileTokens * rows * sizeof(float), "activations");

    private void ConventionalGather(ref ConventionalArgs args, int tiles)
    {
        args.Gathered = Room(ref gathered, (long)tiles * Conventional.TileTokens * args.Hidden * sizeof(ushort), "activations");
        conventional!.Gather(IsMx).Launch(args, tiles * Conventional.TileTokens, Blocks(args.Hidden, Rows.Threads * 8));
    }

    /// <summary>Quantizes the activations of the padded rows and multiplies them with one or two matrices of their experts.</summary>
    private void ConventionalTiles(in ConventionalArgs source, DeviceWeight weight, long second, int matrices, int tiles, long to)
    {
        var perRow = weight.Columns / Tiles.Columns;
        var args = new TileConventionalArgs
        {
            W0 = weight.Address,
            W1 = second,
            Input = source.Input,
            Outputs = to,
            Slots = source.Slots,
            Tiles = source.Tiles,
            Places = source.Places,
            RowTiles = weight.Rows / Tiles.Rows,
            AllTiles = matrices * weight.Rows / Tiles.Rows,
            PerRow = perRow,
            Classes = Math.Min(perRow, TileConventional.Warps),
            TopK = source.TopK,
        };
        args.Vectors = Room(ref gathered, 2L * tiles * perRow * TileConventional.RecordBytes(IsMx), "activations");
        conventional!.GatherTiles(IsMx).Launch(args, tiles * Conventional.TileTokens, Blocks(perRow, TileConventional.Warps));
        weight.Tiles!.Conventional(IsMx).Launch(args, Blocks(args.AllTiles, TileConventional.Warps / args.Classes), tiles);
    }

    /// <summary>What warp decode multiplies: the activations, or in the form that says so their nearest bfloat16 numbers.</summary>
    private Tensor Activations(Tensor from, long length)
    {
        if (options.Experts != ExpertForm.WarpBF16) return from;
        var to = Room(ref rounded, from.Length * sizeof(float), "activations");
        round ??= device.Compile<RoundArgs>(RoundToBFloat.Run);
        round.Launch(new RoundArgs { From = DeviceTensor.Of(from), To = to, Count = length }, checked((int)((length + Rows.Threads - 1) / Rows.Threads)));
        return new DeviceTensor(to, from.Length);
    }
}

/// <summary>The kernels of <see cref="Conventional"/> and <see cref="TileConventional"/> that do not depend on the weights, each compiled when it is first asked for.</summary>
internal sealed class ConventionalKernels(GpuDevice device)
{
    private readonly Kernel<ConventionalArgs>?[] gather = new Kernel<ConventionalArgs>?[2];
    private readonly Kernel<TileConventionalArgs>?[] gatherTiles = new Kernel<TileConventionalArgs>?[2];
    private Kernel<ConventionalArgs>? align;
    private Kernel<ConventionalArgs>? gateUp;
    private Kernel<ConventionalArgs>? scatter;
    private Kernel<ConventionalArgs>? down;
    private Kernel<ConventionalArgs>? combine;

    public Kernel<ConventionalArgs> Align => align ??= device.Compile<ConventionalArgs>(Conventional.Align);

    public Kernel<ConventionalArgs> GateUp => gateUp ??= device.Compile<ConventionalArgs>(Conventional.GateUp<One>);

    public Kernel<ConventionalArgs> Scatter => scatter ??= device.Compile<ConventionalArgs>(Conventional.Scatter);

    public Kernel<ConventionalArgs> Down => down ??= device.Compile<ConventionalArgs>(Conventional.Down<One>);

    public Kernel<ConventionalArgs> Combine => combine ??= device.Compile<ConventionalArgs>(Conventional.Combine<One>);

    public Kernel<ConventionalArgs> Gather(bool mx) =>
        gather[mx ? 1 : 0] ??= mx ? device.Compile<ConventionalArgs>(Conventional.Gather<One>) : device.Compile<ConventionalArgs>(Conventional.Gather<Zero>);

    public Kernel<TileConventionalArgs> GatherTiles(bool mx) => gatherTiles[mx ? 1 : 0] ??= mx
        ? device.Compile<TileConventionalArgs>(TileConventional.Gather<One>)
        : device.Compile<TileConventionalArgs>(TileConventional.Gather<Zero>);
}

/// <summary>Parameters of <see cref="RoundToBFloat"/>.</summary>
internal struct RoundArgs
{
    public long From;
    public long To;
    public long Count;
}

/// <summary>The nearest bfloat16 numbers as FP32, a thread a value.</summary>
internal static class RoundToBFloat
{
    [Launch(Dependent = true)]
    public static void Run(RoundArgs a)
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var index = ((long)ILGPU.Grid.IdxX * Rows.Threads) + ILGPU.Group.IdxX;
        if (index < a.Count) Dev.StoreFloat(a.To + (index * 4), Dev.RoundToBFloat(Dev.LoadFloat(a.From + (index * 4))));
    }
}
