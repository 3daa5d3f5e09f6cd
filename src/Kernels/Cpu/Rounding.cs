using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using WarpDecode.Formats;

namespace WarpDecode.Kernels.Cpu;

/// <summary>Activations rounded to a narrower type and widened back to FP32: what an expert product sees in the forms that round.</summary>
internal static unsafe class Rounding
{
    /// <summary>Rounds to the type of the weights, to nearest, ties to even, if that is BF16 or F16; with other plain numbers it copies.</summary>
    public static void ToType(WeightType type, float* x, float* to, int count)
    {
        switch (type)
        {
            case WeightType.BF16:
                ToBFloat16(x, to, count);
                break;
            case WeightType.F16:
                for (var i = 0; i < count; i++) to[i] = (float)(Half)x[i];
                break;
            default:
                new ReadOnlySpan<float>(x, count).CopyTo(new Span<float>(to, count));
                break;
        }
    }

    /// <summary>Rounds to bfloat16, to nearest, ties to even. NaN stays NaN; numbers beyond its largest become infinite.</summary>
    public static void ToBFloat16(float* x, float* to, int count)
    {
        var i = 0;
        for (; i + 8 <= count; i += 8) BFloat16(Vector256.Load(x + i)).Store(to + i);
        for (; i < count; i++) to[i] = BFloat16(Vector256.CreateScalar(x[i]))[0];
    }

    // Half of the last kept bit's worth, less one unless that bit is odd, makes a tie go to even; the carry runs into the exponent.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> BFloat16(Vector256<float> x)
    {
        var bits = x.AsUInt32();
        var odd = Vector256.ShiftRightLogical(bits, 16) & Vector256<uint>.One;
        var rounded = (bits + Vector256.Create(0x7FFFu) + odd) & Vector256.Create(0xFFFF0000u);
        return Vector256.ConditionalSelect(Vector256.Equals(x, x), rounded.AsSingle(), x);
    }
}

/// <summary>Rounds rows of activations to bfloat16; items are rows.</summary>
internal sealed unsafe class RoundToBFloat16 : Job
{
    private float* x;
    private float* to;
    private int columns;

    public void Run(WorkerPool pool, float* input, float* output, int rows, int rowColumns)
    {
        x = input;
        to = output;
        columns = rowColumns;
        pool.Run(this, rows);
    }

    public override void Do(int begin, int end, int worker) =>
        Rounding.ToBFloat16(x + ((long)begin * columns), to + ((long)begin * columns), checked((end - begin) * columns));
}
