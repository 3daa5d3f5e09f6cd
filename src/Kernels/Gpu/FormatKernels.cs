using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>The kernels of one weight type on one device, each compiled when it is first asked for.</summary>
internal abstract class FormatKernels
{
    public abstract int UnitValues { get; }

    public abstract bool Repacks { get; }

    /// <summary>Whether weights are F32, F16 or BF16: with them the expert FFN has more kernels.</summary>
    public abstract bool IsFloat { get; }

    public abstract Kernel<EmbedArgs> Embed { get; }

    public abstract Kernel<RepackArgs> Repack { get; }

    public abstract Kernel<MoeGateUpArgs> GateUp { get; }

    /// <summary>For float weights in steps whose tokens share the rows of their experts; the same bits.</summary>
    public abstract Kernel<MoeGateUpArgs> SharedGateUp { get; }

    /// <inheritdoc cref="SharedGateUp"/>
    public abstract Kernel<MoeDownArgs> SharedDown { get; }

    public abstract long RowBytes(int columns);

    public abstract Kernel<MoeDownArgs> Down { get; }

    /// <summary>For float weights and a few tokens; the same bits.</summary>
    /// <param name="columns">Columns of the rows.</param>
    public abstract Kernel<MoeDownArgs> FewDown(int columns);

    /// <param name="many">Whether a block takes four experts for four tokens instead of one for one.</param>
    public abstract Kernel<RouteArgs> Route(bool many);

    /// <param name="norm">Whether x is normalized on the way and the outputs stored, or the products of x added to what is there.</param>
    /// <param name="many">Whether a warp takes four tokens instead of one.</param>
    public abstract Kernel<ProjectArgs> Project(bool norm, bool many);

    /// <summary>The products on tensor cores; null if there are none for this type or on this device.</summary>
    public abstract FloatTileKernels? FloatTiles { get; }
}

/// <inheritdoc/>
internal sealed class FormatKernels<TFormat>(GpuDevice device) : FormatKernels
    where TFormat : struct, ILaneFormat
{
    private readonly Kernel<ProjectArgs>?[] project = new Kernel<ProjectArgs>?[4];
    private readonly Kernel<MoeDownArgs>?[] fewDown = new Kernel<MoeDownArgs>?[5];
    private FloatTileKernels? floatTiles;
    private Kernel<EmbedArgs>? embed;
    private Kernel<RepackArgs>? repack;
    private Kernel<RouteArgs>? route;
    private Kernel<RouteArgs>? routeMany;
    private Kernel<MoeGateUpArgs>? gateUp;
    private Kernel<MoeGateUpArgs>? sharedGateUp;
    private Kernel<MoeDownArgs>? down;
    private Kernel<MoeDownArgs>? sharedDown;

    public override int UnitValues => TFormat.UnitValues;

    public override bool Repacks => TFormat.Repacks;

    public override bool IsFloat => TFormat.Type is WeightType.F32 or WeightType.F16 or WeightType.BF16;

    public override Kernel<EmbedArgs> Embed => embed ??= device.Compile<EmbedArgs>(Gpu.Embed.Run<TFormat>);

    public override Kernel<RepackArgs> Repack => repack ??= device.Compile<RepackArgs>(Gpu.Repack.Run<TFormat>);

    public override Kernel<MoeGateUpArgs> GateUp => gateUp ??= device.Compile<MoeGateUpArgs>(IsFloat ? MoeGateUp.Alone<TFormat> : MoeGateUp.Run<TFormat>);

    public override Kernel<MoeGateUpArgs> SharedGateUp => sharedGateUp ??= device.Compile<MoeGateUpArgs>(MoeGateUp.Shared<TFormat>);

    public override Kernel<MoeDownArgs> SharedDown => sharedDown ??= device.Compile<MoeDownArgs>(MoeDown.Shared<TFormat>);

    public override long RowBytes(int columns) => TFormat.RowBytes(columns);

    public override Kernel<MoeDownArgs> Down => down ??= device.Compile<MoeDownArgs>(IsFloat ? MoeDown.Alone<TFormat> : MoeDown.Run<TFormat>);

    public override Kernel<MoeDownArgs> FewDown(int columns)
    {
        // Sets of three or four units where rows are a number of them; FP32 units are twice as long, and ptxas would spill.
        var steps = columns % (32 * UnitValues) == 0 ? columns / (32 * UnitValues) : 1;
        var set = TFormat.InFlight == 4 && steps % 3 == 0 ? 3 : TFormat.InFlight == 4 && steps % 4 == 0 ? 4 : steps % 2 == 0 ? 2 : 0;
        return fewDown[set] ??= set switch
        {
            0 => device.Compile<MoeDownArgs>(MoeDown.Few<TFormat, Zero>),
            2 => device.Compile<MoeDownArgs>(MoeDown.Few<TFormat, Two>),
            3 => device.Compile<MoeDownArgs>(MoeDown.Few<TFormat, Three>),
            _ => device.Compile<MoeDownArgs>(MoeDown.Few<TFormat, Four>),
        };
    }

    public override Kernel<RouteArgs> Route(bool many) => many
        ? routeMany ??= device.Compile<RouteArgs>(Gpu.Route.Run<TFormat, Four>)
        : route ??= device.Compile<RouteArgs>(Gpu.Route.Run<TFormat, One>);

    public override Kernel<ProjectArgs> Project(bool norm, bool many) =>
        project[(norm ? 2 : 0) | (many ? 1 : 0)] ??= (norm, many) switch
        {
            (false, false) => device.Compile<ProjectArgs>(Gpu.Project.Run<TFormat, Zero, One>),
            (false, true) => device.Compile<ProjectArgs>(Gpu.Project.Run<TFormat, Zero, Four>),
            (true, false) => device.Compile<ProjectArgs>(Gpu.Project.Run<TFormat, One, One>),
            (true, true) => device.Compile<ProjectArgs>(Gpu.Project.Run<TFormat, One, Four>),
        };

    public override FloatTileKernels? FloatTiles =>
        typeof(TFormat) == typeof(BF16) && device.Capability >= 80 ? floatTiles ??= new FloatTileKernels(device) : null;
}

/// <summary>The kernels of <see cref="FloatTiles"/> and <see cref="FloatParts"/>; norm as in <see cref="FormatKernels.Project"/>.</summary>
internal sealed class FloatTileKernels(GpuDevice device)
{
    private readonly Kernel<ProjectArgs>?[] one = new Kernel<ProjectArgs>?[4];
    private readonly Kernel<FloatPartsArgs>?[] few = new Kernel<FloatPartsArgs>?[4];
    private readonly Kernel<FloatPartsArgs>?[] split = new Kernel<FloatPartsArgs>?[2];
    private readonly Kernel<FloatPartsArgs>?[] sum = new Kernel<FloatPartsArgs>?[2];
    private readonly Kernel<FloatPartsArgs>?[] whole = new Kernel<FloatPartsArgs>?[2];
    private Kernel<FloatPartsArgs>? slice;

    public Kernel<FloatPartsArgs> Slice => slice ??= device.Compile<FloatPartsArgs>(FloatParts.Slice);

    public Kernel<ProjectArgs> One(bool norm, bool wide) => one[(norm ? 2 : 0) | (wide ? 1 : 0)] ??= (norm, wide) switch
    {
        (false, false) => device.Compile<ProjectArgs>(Gpu.FloatTiles.One<Zero>),
        (false, true) => device.Compile<ProjectArgs>(Gpu.FloatTiles.OneWide<Zero>),
        (true, false) => device.Compile<ProjectArgs>(Gpu.FloatTiles.One<One>),
        (true, true) => device.Compile<ProjectArgs>(Gpu.FloatTiles.OneWide<One>),
    };

    public Kernel<FloatPartsArgs> Few(bool norm, bool wide) => few[(norm ? 2 : 0) | (wide ? 1 : 0)] ??= (norm, wide) switch
    {
        (false, false) => device.Compile<FloatPartsArgs>(Gpu.FloatTiles.Few<Zero>),
        (false, true) => device.Compile<FloatPartsArgs>(Gpu.FloatTiles.FewWide<Zero>),
        (true, false) => device.Compile<FloatPartsArgs>(Gpu.FloatTiles.Few<One>),
        (true, true) => device.Compile<FloatPartsArgs>(Gpu.FloatTiles.FewWide<One>),
    };

    public Kernel<FloatPartsArgs> Split(bool norm) => split[norm ? 1 : 0] ??=
        norm ? device.Compile<FloatPartsArgs>(FloatParts.Split<One>) : device.Compile<FloatPartsArgs>(FloatParts.Split<Zero>);

    public Kernel<FloatPartsArgs> Sum(bool norm) => sum[norm ? 1 : 0] ??=
        norm ? device.Compile<FloatPartsArgs>(FloatParts.Sum<One>) : device.Compile<FloatPartsArgs>(FloatParts.Sum<Zero>);

    public Kernel<FloatPartsArgs> Whole(bool norm) => whole[norm ? 1 : 0] ??=
        norm ? device.Compile<FloatPartsArgs>(FloatParts.Whole<One>) : device.Compile<FloatPartsArgs>(FloatParts.Whole<Zero>);
}
