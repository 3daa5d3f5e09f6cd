using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>The exact kernels of one weight type on one device, each compiled when it is first asked for.</summary>
internal abstract class TileFormatKernels
{
    public abstract int RecordBytes { get; }

    public abstract Kernel<TileRepackArgs> Repack { get; }

    public abstract Kernel<TileEmbedArgs> Embed { get; }

    public abstract Kernel<TileGateUpArgs> GateUpFew { get; }

    /// <param name="perRow">Records along a row.</param>
    /// <param name="prompt">Whether most experts have several tokens.</param>
    public abstract Kernel<TileGateUpArgs> GateUpMany(int perRow, bool prompt);

    /// <param name="perRow">Records along a row.</param>
    /// <param name="topK">Experts of a token.</param>
    public abstract Kernel<TileDownArgs> DownFew(int perRow, int topK);

    /// <param name="perRow">Records along a row.</param>
    /// <returns>The kernel and the tiles of one of its blocks.</returns>
    public abstract (Kernel<TileDownArgs> Kernel, int Tiles) DownMany(int perRow);

    /// <param name="norm">Whether the outputs are scaled by the norm and stored, or added to what is there.</param>
    /// <param name="split">Whether the activations were split before, or are those of one token as they are.</param>
    /// <param name="wide">Whether a block has sixteen warps.</param>
    public abstract Kernel<TileProjectArgs> Project(bool norm, bool split, bool wide);

    /// <summary>The grouped products of the expert-centric path.</summary>
    /// <param name="mx">Whether activations are MXFP8 instead of 8-bit integers.</param>
    public abstract Kernel<TileConventionalArgs> Conventional(bool mx);
}

/// <inheritdoc/>
internal sealed class TileFormatKernels<TTile>(GpuDevice device) : TileFormatKernels
    where TTile : struct, ITileFormat
{
    private readonly Kernel<TileProjectArgs>?[] project = new Kernel<TileProjectArgs>?[8];
    private Kernel<TileRepackArgs>? repack;
    private Kernel<TileEmbedArgs>? embed;
    private Kernel<TileGateUpArgs>? gateUpFew;
    private Kernel<TileGateUpArgs>? gateUpMany;
    private Kernel<TileGateUpArgs>? gateUpManyByEight;
    private Kernel<TileGateUpArgs>? gateUpPrompt;
    private readonly Kernel<TileDownArgs>?[] downFew = new Kernel<TileDownArgs>?[5];
    private Kernel<TileDownArgs>? downMany;
    private Kernel<TileDownArgs>? downManyBySix;
    private Kernel<TileDownArgs>? downManyByThree;
    private Kernel<TileConventionalArgs>? conventional;
    private Kernel<TileConventionalArgs>? conventionalMx;

    // A lane's registers are a thirty-second of the bytes.
    private static bool Large => TTile.RecordBytes > 3000;

    public override int RecordBytes => TTile.RecordBytes;

    public override Kernel<TileRepackArgs> Repack => repack ??= device.Compile<TileRepackArgs>(TileRepack.Run<TTile>);

    public override Kernel<TileEmbedArgs> Embed => embed ??= device.Compile<TileEmbedArgs>(TileEmbed.Run<TTile>);

    public override Kernel<TileGateUpArgs> GateUpFew => gateUpFew ??= device.Compile<TileGateUpArgs>(Large ? TileGateUp.FewLarge<TTile> : TileGateUp.Few<TTile>);

    public override Kernel<TileGateUpArgs> GateUpMany(int perRow, bool prompt) => prompt
        ? gateUpPrompt ??= device.Compile<TileGateUpArgs>(TileGateUp.Prompt<TTile>)
        : perRow == TileGateUp.Warps
        ? gateUpManyByEight ??= device.Compile<TileGateUpArgs>(Large ? TileGateUp.ManyByEightLarge<TTile> : TileGateUp.ManyByEight<TTile>)
        : gateUpMany ??= device.Compile<TileGateUpArgs>(Large ? TileGateUp.ManyLarge<TTile> : TileGateUp.Many<TTile>);

    public override Kernel<TileDownArgs> DownFew(int perRow, int topK)
    {
        var which = perRow <= 4 && perRow * topK <= TileDown.FewWarps ? perRow : 0;
        return downFew[which] ??= which switch
        {
            1 => device.Compile<TileDownArgs>(TileDown.FewByOne<TTile, One>),
            2 => device.Compile<TileDownArgs>(TileDown.FewByOne<TTile, Two>),
            3 => device.Compile<TileDownArgs>(TileDown.FewByOne<TTile, Three>),
            4 => device.Compile<TileDownArgs>(TileDown.FewByOne<TTile, Four>),
            _ => device.Compile<TileDownArgs>(TileDown.Few<TTile>),
        };
    }

    public override (Kernel<TileDownArgs> Kernel, int Tiles) DownMany(int perRow)
    {
        if (perRow == 3 && !Large) return (downManyByThree ??= device.Compile<TileDownArgs>(TileDown.ManyByThree<TTile>), 8);
        if (perRow is 3 or 6) return (downManyBySix ??= device.Compile<TileDownArgs>(TileDown.ManyBySix<TTile>), 6 / perRow);
        return (downMany ??= device.Compile<TileDownArgs>(TileDown.Many<TTile>), 8 / Math.Min(perRow, TileDown.MaxClasses));
    }

    public override Kernel<TileProjectArgs> Project(bool norm, bool split, bool wide) =>
        project[(norm ? 4 : 0) | (split ? 2 : 0) | (wide ? 1 : 0)] ??= (norm, split, wide) switch
        {
            (false, false, false) => device.Compile<TileProjectArgs>(TileProject.Single<TTile, Zero>),
            (false, false, true) => device.Compile<TileProjectArgs>(TileProject.WideSingle<TTile, Zero>),
            (false, true, false) => device.Compile<TileProjectArgs>(Large ? TileProject.ManyLarge<TTile, Zero> : TileProject.Many<TTile, Zero>),
            (false, true, true) => device.Compile<TileProjectArgs>(TileProject.WideMany<TTile, Zero>),
            (true, false, false) => device.Compile<TileProjectArgs>(TileProject.Single<TTile, One>),
            (true, false, true) => device.Compile<TileProjectArgs>(TileProject.WideSingle<TTile, One>),
            (true, true, false) => device.Compile<TileProjectArgs>(Large ? TileProject.ManyLarge<TTile, One> : TileProject.Many<TTile, One>),
            (true, true, true) => device.Compile<TileProjectArgs>(TileProject.WideMany<TTile, One>),
        };

    public override Kernel<TileConventionalArgs> Conventional(bool mx) => mx
        ? conventionalMx ??= device.Compile<TileConventionalArgs>(TileConventional.Products<TTile, One>)
        : conventional ??= device.Compile<TileConventionalArgs>(TileConventional.Products<TTile, Zero>);
}
