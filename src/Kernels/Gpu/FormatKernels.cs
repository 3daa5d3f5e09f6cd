using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>The kernels of one weight type on one device, each compiled when it is first asked for.</summary>
internal abstract class FormatKernels
{
    public abstract int UnitValues { get; }

    public abstract bool Repacks { get; }

    public abstract Kernel<EmbedArgs> Embed { get; }

    public abstract Kernel<RepackArgs> Repack { get; }

    public abstract Kernel<RouteArgs> Route { get; }

    public abstract Kernel<MoeGateUpArgs> GateUp { get; }

    public abstract Kernel<MoeDownArgs> Down { get; }

    public abstract long RowBytes(int columns);

    /// <param name="norm">Whether x is normalized on the way and the outputs stored, or the products of x added to what is there.</param>
    /// <param name="many">Whether a warp takes four tokens instead of one.</param>
    public abstract Kernel<ProjectArgs> Project(bool norm, bool many);
}

/// <inheritdoc/>
internal sealed class FormatKernels<TFormat>(GpuDevice device) : FormatKernels
    where TFormat : struct, ILaneFormat
{
    private readonly Kernel<ProjectArgs>?[] project = new Kernel<ProjectArgs>?[4];
    private Kernel<EmbedArgs>? embed;
    private Kernel<RepackArgs>? repack;
    private Kernel<RouteArgs>? route;
    private Kernel<MoeGateUpArgs>? gateUp;
    private Kernel<MoeDownArgs>? down;

    public override int UnitValues => TFormat.UnitValues;

    public override bool Repacks => TFormat.Repacks;

    public override Kernel<EmbedArgs> Embed => embed ??= device.Compile<EmbedArgs>(Gpu.Embed.Run<TFormat>);

    public override Kernel<RepackArgs> Repack => repack ??= device.Compile<RepackArgs>(Gpu.Repack.Run<TFormat>);

    public override Kernel<RouteArgs> Route => route ??= device.Compile<RouteArgs>(Gpu.Route.Run<TFormat>);

    public override Kernel<MoeGateUpArgs> GateUp => gateUp ??= device.Compile<MoeGateUpArgs>(MoeGateUp.Run<TFormat>);

    public override Kernel<MoeDownArgs> Down => down ??= device.Compile<MoeDownArgs>(MoeDown.Run<TFormat>);

    public override long RowBytes(int columns) => TFormat.RowBytes(columns);

    public override Kernel<ProjectArgs> Project(bool norm, bool many) =>
        project[(norm ? 2 : 0) | (many ? 1 : 0)] ??= (norm, many) switch
        {
            (false, false) => device.Compile<ProjectArgs>(Gpu.Project.Run<TFormat, Zero, One>),
            (false, true) => device.Compile<ProjectArgs>(Gpu.Project.Run<TFormat, Zero, Four>),
            (true, false) => device.Compile<ProjectArgs>(Gpu.Project.Run<TFormat, One, One>),
            (true, true) => device.Compile<ProjectArgs>(Gpu.Project.Run<TFormat, One, Four>),
        };
}
