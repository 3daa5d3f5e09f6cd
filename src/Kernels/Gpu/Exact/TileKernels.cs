using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Sizes of tiles.</summary>
internal static class Tiles
{
    public const int Rows = 16;
    public const int Columns = 256;
}

/// <summary>Parameters of <see cref="TileRepack"/>.</summary>
internal struct TileRepackArgs
{
    public long From;
    public long To;
    public long RowBytes;
    public int PerRow;
    public int Records;
}

/// <summary>Lays rows out in tiles, once, while they are loaded: a warp a record.</summary>
internal static class TileRepack
{
    public static void Run<TTile>(TileRepackArgs a)
        where TTile : struct, ITileFormat
    {
        var record = (Grid.IdxX * Rows.Warps) + (Group.IdxX >> 5);
        if (record >= a.Records) return;
        var row = record / a.PerRow;
        var from = a.From + (row * (Tiles.Rows * a.RowBytes)) + ((record - (row * a.PerRow)) * (a.RowBytes / a.PerRow));
        TTile.Repack(from, a.RowBytes, a.To + ((long)record * TTile.RecordBytes), Group.IdxX & 31);
    }
}

/// <summary>Parameters of <see cref="TileEmbed"/>.</summary>
internal struct TileEmbedArgs
{
    public long Table;
    public long Tokens;
    public long X;
    public int PerRow;
}

/// <summary>x[t] = row token(t) of the embedding table, widened, from tiles: a thread a value.</summary>
internal static class TileEmbed
{
    [Launch(Dependent = true)]
    public static void Run<TTile>(TileEmbedArgs a)
        where TTile : struct, ITileFormat
    {
        Dev.ReleaseNext();
        Dev.AwaitPrevious();
        var token = Dev.LoadInt(a.Tokens + (Grid.IdxX * 4L));
        var record = a.Table + ((((long)(token >> 4) * a.PerRow) + Grid.IdxY) * TTile.RecordBytes);
        Dev.StoreFloat(
            a.X + ((((long)Grid.IdxX * a.PerRow) + Grid.IdxY) * (Tiles.Columns * 4L)) + (Group.IdxX * 4L), TTile.Weight(record, token & 15, Group.IdxX));
    }
}
