using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="Split"/>.</summary>
internal struct SplitArgs
{
    public long X;

    /// <summary>The norm's weights.</summary>
    public long Norm;

    /// <summary>Which rows of x; 0 for all in order.</summary>
    public long Selected;
    public long To;

    /// <summary>Records of a row.</summary>
    public int PerRow;
    public int Rows;
}

/// <summary>Rows of x, times the norm's weights if TNorm is 1, as <see cref="Digits"/> [rows, columns / 256]: a warp a record.</summary>
internal static class Split
{
    [Launch(Dependent = true)]
    public static void Run<TNorm>(SplitArgs a)
        where TNorm : struct, IConstant
    {
        var index = (Grid.IdxX * Gpu.Rows.Warps) + (Group.IdxX >> 5);
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        if (index >= a.Rows * a.PerRow) return;
        var row = index / a.PerRow;
        var part = index - (row * a.PerRow);
        if (a.Selected != 0) row = Dev.LoadInt(a.Selected + (row * 4L));
        Digits.Split<TNorm, Zero>(
            a.X + ((((long)row * a.PerRow) + part) * Digits.Values * 4), a.Norm + (part * (Digits.Values * 4L)), a.To + ((long)index * Digits.RecordBytes), Group.IdxX & 31);
    }
}
