using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="Embed"/>.</summary>
internal struct EmbedArgs
{
    public long Table;
    public long Tokens;
    public long X;
    public long RowBytes;
    public int Columns;
}

/// <summary>x[t] = row token(t) of the embedding table, widened: a thread a unit.</summary>
internal static class Embed
{
    [Launch(Dependent = true)]
    public static void Run<TFormat>(EmbedArgs a)
        where TFormat : struct, ILaneFormat
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var index = (Grid.IdxY * Rows.Threads) + Group.IdxX;
        if (index >= a.Columns / TFormat.UnitValues) return;
        var row = a.Table + (Dev.LoadInt(a.Tokens + (Grid.IdxX * 4L)) * a.RowBytes);
        var x = a.X + ((long)Grid.IdxX * a.Columns * 4);
        var unit = TFormat.Load(row, index, a.Columns);
        var scales = TFormat.Decode(unit, index);
        Store<TFormat>(unit, scales, index, 0, x);
        if (TFormat.UnitValues > 8) Store<TFormat>(unit, scales, index, 1, x);
        if (TFormat.UnitValues > 16)
        {
            Store<TFormat>(unit, scales, index, 2, x);
            Store<TFormat>(unit, scales, index, 3, x);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TFormat>(Unit unit, Scales scales, int index, int part, long x)
        where TFormat : struct, ILaneFormat
    {
        var values = TFormat.Part(unit, scales, index, part);
        var to = x + (TFormat.Column(index, part) * 4L);
        Dev.StoreF4(to, values.A);
        Dev.StoreF4(to + 16, values.B);
    }
}
