using ILGPU;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="Repack"/>.</summary>
internal struct RepackArgs
{
    public long From;
    public long To;
    public long FromRowBytes;
    public long ToRowBytes;
    public long Rows;
    public int BlocksPerRow;
    public int Columns;
}

/// <summary>Lays rows out as their format wants them, once, while they are loaded: a thread a block of weights.</summary>
internal static class Repack
{
    public static void Run<TFormat>(RepackArgs a)
        where TFormat : struct, ILaneFormat
    {
        var index = ((long)Grid.IdxX * Rows.Threads) + Group.IdxX;
        var row = index / a.BlocksPerRow;
        if (row >= a.Rows) return;
        TFormat.Repack(a.From + (row * a.FromRowBytes), a.To + (row * a.ToRowBytes), a.Columns, (int)(index - (row * a.BlocksPerRow)));
    }
}
