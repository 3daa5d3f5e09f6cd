using System.Runtime.CompilerServices;
using ILGPU;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="GroupedTerms"/>.</summary>
internal struct GroupedTermsArgs
{
    /// <summary>FP32 [vectors, columns].</summary>
    public long From;

    /// <summary>bfloat16 [vectors, 2, columns].</summary>
    public long To;
    public int Columns;
}

/// <summary>Vectors as two bfloat16 terms, for <see cref="Grouped"/>: a thread eight columns.</summary>
internal static class GroupedTerms
{
    /// <summary>Columns of a block.</summary>
    public const int BlockColumns = Rows.Threads * 8;

    public static void Run(GroupedTermsArgs a)
    {
        var column = (Grid.IdxY * BlockColumns) + (Group.IdxX * 8);
        if (column >= a.Columns) return;
        var values = F8.Load(a.From + ((((long)Grid.IdxX * a.Columns) + column) * 4));
        var first = Round(values);
        var second = Round(F8.Of(
            values.A.X - first.A.X, values.A.Y - first.A.Y, values.A.Z - first.A.Z, values.A.W - first.A.W,
            values.B.X - first.B.X, values.B.Y - first.B.Y, values.B.Z - first.B.Z, values.B.W - first.B.W));
        var to = a.To + ((((long)Grid.IdxX * 2 * a.Columns) + column) * 2);
        Store(to, first);
        Store(to + (a.Columns * 2L), second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static F8 Round(F8 values) => F8.Of(
        Dev.RoundToBFloat(values.A.X), Dev.RoundToBFloat(values.A.Y), Dev.RoundToBFloat(values.A.Z), Dev.RoundToBFloat(values.A.W),
        Dev.RoundToBFloat(values.B.X), Dev.RoundToBFloat(values.B.Y), Dev.RoundToBFloat(values.B.Z), Dev.RoundToBFloat(values.B.W));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(long to, F8 values) =>
        Dev.StoreF4(to, new F4 { X = Pair(values.A.X, values.A.Y), Y = Pair(values.A.Z, values.A.W), Z = Pair(values.B.X, values.B.Y), W = Pair(values.B.Z, values.B.W) });

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Pair(float low, float high) => Interop.IntAsFloat(Dev.HighHalves(Interop.FloatAsInt(low), Interop.FloatAsInt(high)));
}
