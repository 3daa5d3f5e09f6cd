using System.Numerics;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

// Products with plain matrices: embedding, projections, head.
internal sealed unsafe partial class CudaBackend
{
    // With more blocks than that their splitting of the one token costs more than a launch that does it for all of them.
    private const int SplitTiles = 1024;

    // Tokens whose products over parts of the columns lie in memory at once.
    private const int SliceTokens = 64;

    private readonly Kernel<TileProjectArgs>?[] mixedProject = new Kernel<TileProjectArgs>?[4];
    private Kernel<SplitArgs>? split;
    private Kernel<SplitArgs>? normSplit;
    private long zeros;
    private long scratch;
    private long scratchBytes;

    /// <summary>Warps that <see cref="FloatParts.Whole{TNorm}"/> must find work for to be chosen.</summary>
    internal int WholeWarps { get; set; } = 1000;

    public void Embed(Step step, Weight table, Tensor x)
    {
        var w = (DeviceWeight)table;
        if (w.Tiles is { } tiles)
        {
            var perRow = w.Columns / Tiles.Columns;
            tiles.Embed.Launch(
                new TileEmbedArgs { Table = w.Address, Tokens = Inputs(step).Tokens, X = DeviceTensor.Of(x), PerRow = perRow }, step.Count, perRow);
            return;
        }
        w.Kernels.Embed.Launch(
            new EmbedArgs { Table = w.Address, Tokens = Inputs(step).Tokens, X = DeviceTensor.Of(x), RowBytes = w.RowBytes, Columns = w.Columns },
            step.Count, Blocks(w.Columns / w.Kernels.UnitValues, Rows.Threads));
    }

    public void NormProject(Step step, Tensor x, Tensor norm, float epsilon, ReadOnlySpan<Weight> weights, Tensor y)
    {
        var stride = 0;
        foreach (var weight in weights) stride += weight.Rows;
        var args = new ProjectArgs
        {
            X = DeviceTensor.Of(x),
            Norm = DeviceTensor.Of(norm),
            Y = DeviceTensor.Of(y),
            Stride = stride,
            Tokens = step.Count,
            Epsilon = epsilon,
        };
        // One launch for neighbours of the same type, or for those in tiles, three at most.
        var isSplit = false;
        while (weights.Length > 0)
        {
            var count = 1;
            var first = (DeviceWeight)weights[0];
            while (count < weights.Length && count < 3 && Together(first, (DeviceWeight)weights[count])) count++;
            if (first.Tiles is not null)
            {
                ProjectTiles(weights[..count], args, norm: true, ref isSplit);
                for (var i = 0; i < count; i++) args.Y += weights[i].Rows * (long)sizeof(float);
                weights = weights[count..];
                continue;
            }
            args.W0 = first.Address;
            args.Rows0 = first.Rows;
            (args.W1, args.Rows1) = count > 1 ? (((DeviceWeight)weights[1]).Address, weights[1].Rows) : (0, 0);
            (args.W2, args.Rows2) = count > 2 ? (((DeviceWeight)weights[2]).Address, weights[2].Rows) : (0, 0);
            Project(first, args, norm: true);
            args.Y += (args.Rows0 + args.Rows1 + args.Rows2) * (long)sizeof(float);
            weights = weights[count..];
        }
    }

    public void ProjectAdd(Step step, Tensor y, Weight weight, Tensor x)
    {
        var w = (DeviceWeight)weight;
        var isSplit = false;
        var args = new ProjectArgs { W0 = w.Address, Rows0 = w.Rows, X = DeviceTensor.Of(y), Y = DeviceTensor.Of(x), Stride = w.Rows, Tokens = step.Count };
        if (w.Tiles is null) Project(w, args, norm: false);
        else ProjectTiles([w], args, norm: false, ref isSplit);
    }

    public void Head(Step step, Tensor x, Tensor norm, float epsilon, Weight output, Tensor logits)
    {
        device.Enter();
        var w = (DeviceWeight)output;
        var rows = step.LogitRows.AsSpan(0, step.LogitCount);
        var args = new ProjectArgs
        {
            W0 = w.Address,
            Rows0 = w.Rows,
            X = DeviceTensor.Of(x),
            Norm = DeviceTensor.Of(norm),
            Y = DeviceTensor.Of(logits),
            Stride = w.Rows,
            Tokens = rows.Length,
            Epsilon = epsilon,
        };
        if (rows.Length == 0) return;
        if (rows[^1] - rows[0] == rows.Length - 1) args.X += (long)rows[0] * w.Columns * sizeof(float); // they follow each other
        else args.Selected = Inputs(step).Select(rows);
        var isSplit = false;
        if (w.Tiles is null) Project(w, args, norm: true);
        else ProjectTiles([w], args, norm: true, ref isSplit);
        (headed, headedLength, mirrored) = (logits, (long)rows.Length * w.Rows, false);
    }

    private static bool Together(DeviceWeight a, DeviceWeight b) => (a.Tiles is null) == (b.Tiles is null) && (a.Tiles is not null || a.Type == b.Type);

    /// <summary>One launch for up to three weights in tiles; the activations are split before if that was not done yet and pays.</summary>
    private void ProjectTiles(ReadOnlySpan<Weight> weights, in ProjectArgs source, bool norm, ref bool isSplit)
    {
        var first = (DeviceWeight)weights[0];
        var args = new TileProjectArgs
        {
            W0 = first.Address,
            Tiles0 = first.Rows / Tiles.Rows,
            X = source.X,
            Norm = source.Norm,
            Y = source.Y,
            PerRow = first.Columns / Tiles.Columns,
            Stride = source.Stride,
            Tokens = source.Tokens,
            Epsilon = source.Epsilon,
        };
        if (weights.Length > 1) (args.W1, args.Tiles1) = (((DeviceWeight)weights[1]).Address, weights[1].Rows / Tiles.Rows);
        if (weights.Length > 2) (args.W2, args.Tiles2) = (((DeviceWeight)weights[2]).Address, weights[2].Rows / Tiles.Rows);
        var mixed = false;
        for (var i = 0; i < weights.Length; i++)
        {
            args.Kinds |= TileProject.KindOf(weights[i].Type) << (4 * i);
            mixed |= weights[i].Type != first.Type;
        }
        var tiles = args.Tiles0 + args.Tiles1 + args.Tiles2;
        var (many, wide) = (args.Tokens > 1 || tiles > SplitTiles || source.Selected != 0, args.PerRow >= TileProject.WidePerRow);
        if (many)
        {
            args.X = Room(ref digits, (long)args.Tokens * args.PerRow * Digits.RecordBytes, "activations");
            if (!isSplit) SplitRows(new SplitArgs { X = source.X, Norm = source.Norm, Selected = source.Selected, To = args.X, PerRow = args.PerRow, Rows = args.Tokens }, norm);
            isSplit = true;
        }
        var kernel = mixed ? Mixed(many, wide) : first.Tiles!.Project(norm, many, wide);
        kernel.Launch(args, many ? Blocks(args.Tokens, TileProject.MaxTokens) : 1, tiles);
    }

    /// <summary>Matrices of several formats: only those behind a norm, queries, keys and values, come together.</summary>
    private Kernel<TileProjectArgs> Mixed(bool many, bool wide) => mixedProject[(many ? 2 : 0) | (wide ? 1 : 0)] ??= (many, wide) switch
    {
        (false, false) => device.Compile<TileProjectArgs>(TileProject.SingleMixed),
        (false, true) => device.Compile<TileProjectArgs>(TileProject.WideSingleMixed),
        (true, false) => device.Compile<TileProjectArgs>(TileProject.ManyMixed),
        (true, true) => device.Compile<TileProjectArgs>(TileProject.WideManyMixed),
    };

    private void SplitRows(in SplitArgs args, bool norm)
    {
        ref var kernel = ref norm ? ref normSplit : ref split;
        kernel ??= norm ? device.Compile<SplitArgs>(Split.Run<Formats.One>) : device.Compile<SplitArgs>(Split.Run<Formats.Zero>);
        kernel.Launch(args, Blocks(args.Rows * args.PerRow, Rows.Warps));
    }

    private void Project(DeviceWeight weight, ProjectArgs args, bool norm)
    {
        args.RowBytes = weight.RowBytes;
        args.Columns = weight.Columns;
        var many = args.Tokens > 1;
        if (weight.Kernels.FloatTiles is { } tiles)
        {
            ProjectFloats(tiles, args, norm);
            return;
        }
        var pairs = ((args.Rows0 + 1) / 2) + ((args.Rows1 + 1) / 2) + ((args.Rows2 + 1) / 2);
        weight.Kernels.Project(norm, many).Launch(args, many ? Blocks(args.Tokens, Gpu.Project.ManyTokens) : args.Tokens, Blocks(pairs, Rows.Warps));
    }

    private void ProjectFloats(FloatTileKernels kernels, ProjectArgs args, bool norm)
    {
        if (zeros == 0) zeros = device.Allocate(16, "zeros");
        args.Zeros = zeros;
        args.Tiles = RowTiles(args, Gpu.FloatTiles.TileRows);
        var wide = args.Columns > Gpu.FloatTiles.NarrowColumns;
        // As many blocks as run at once; each takes the next rows when it has done with some.
        var blocks = Math.Min(args.Tiles, device.Multiprocessors * (wide ? 1 : 2));
        if (args.Tokens == 1)
        {
            kernels.One(norm, wide).Launch(args, blocks);
            return;
        }

        // Few tokens: a block has work for all columns, and sums. Many tokens and rows: each warp has. Else blocks share the columns.
        const int wholeTokens = FloatParts.ManyTiles * Gpu.FloatTiles.TileTokens;
        var few = args.Tokens <= Gpu.FloatTiles.TileTokens;
        var warps = (long)RowTiles(args, FloatParts.WarpRows) * Blocks(args.Tokens, wholeTokens);
        var whole = args.Tokens > wholeTokens / 2 && args.Columns <= FloatParts.MaxColumns && warps >= WholeWarps;
        if (!whole && args.Tokens > SliceTokens)
        {
            for (var tokens = args.Tokens; tokens > 0; tokens -= SliceTokens)
            {
                args.Tokens = Math.Min(tokens, SliceTokens);
                ProjectFloats(kernels, args, norm);
                if (args.Selected != 0) args.Selected += SliceTokens * sizeof(int);
                else args.X += (long)SliceTokens * args.Columns * sizeof(float);
                args.Y += (long)SliceTokens * args.Stride * sizeof(float);
            }
            return;
        }
        var rows = args.Rows0 + args.Rows1 + args.Rows2;
        var (partsBytes, squaresBytes) = (FloatParts.PartsBytes(args.Tokens, args.Columns), FloatParts.SquaresBytes(args.Tokens, args.Columns));
        var room = Scratch(partsBytes + squaresBytes + (whole || few ? 0 : FloatParts.SlicesBytes(args.Tokens, rows, args.Columns)));
        var all = new FloatPartsArgs { Project = args, Parts = room, Squares = room + partsBytes, Slices = room + partsBytes + squaresBytes };
        var groups = Blocks(args.Columns, Gpu.FloatTiles.WarpColumns);
        kernels.Split(norm).Launch(all, Blocks(args.Tokens, Gpu.FloatTiles.TileTokens), groups);
        if (whole)
        {
            kernels.Whole(norm).Launch(all, Blocks(RowTiles(args, FloatParts.WarpRows), Rows.Warps), Blocks(args.Tokens, wholeTokens));
        }
        else if (few)
        {
            kernels.Few(norm, wide).Launch(all, blocks);
        }
        else
        {
            kernels.Slice.Launch(all, Blocks(args.Tiles, Rows.Warps), groups);
            kernels.Sum(norm).Launch(all, Blocks(rows, Rows.Threads), args.Tokens);
        }
    }

    /// <summary>Memory between the launches of one operation. What was given before stays: recorded steps know it.</summary>
    private long Scratch(long bytes)
    {
        if (bytes <= scratchBytes) return scratch;
        scratchBytes = (long)BitOperations.RoundUpToPowerOf2((ulong)bytes);
        return scratch = device.Allocate(scratchBytes, "activations");
    }

    private static int RowTiles(in ProjectArgs args, int rows) => Blocks(args.Rows0, rows) + Blocks(args.Rows1, rows) + Blocks(args.Rows2, rows);
}
