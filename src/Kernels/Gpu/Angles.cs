using ILGPU;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

/// <summary>Parameters of <see cref="Angles"/>.</summary>
internal struct AnglesArgs
{
    public long Positions;
    public long Frequencies;
    public long Angles;
    public int Count;
    public int Tokens;
}

/// <summary>
/// cos and sin of position · frequency, once a step for all layers. The product is FP32, as the models were trained; the functions
/// are summed in FP64, since the device's fast ones lose digits with the size of the angle, and angles here reach 10⁵.
/// </summary>
internal static class Angles
{
    private const double TwoOverPi = 0.63661977236758134;
    private const double HalfPiHigh = 1.5707963267341256; // 33 bits: times a count it is exact
    private const double HalfPiLow = 6.0771005065061922e-11;

    [Launch(Dependent = true)]
    public static void Run(AnglesArgs a)
    {
        Dev.AwaitPrevious();
        Dev.ReleaseNext();
        var index = (Grid.IdxX * Rows.Threads) + Group.IdxX;
        if (index >= a.Tokens * a.Count) return;
        var token = index / a.Count;
        var i = index - (token * a.Count);
        double angle = Dev.LoadInt(a.Positions + (token * 4L)) * Dev.LoadFloat(a.Frequencies + (i * 4L));
        // angle = quarter · π/2 + r, |r| ≤ π/4; positions and frequencies are not negative
        var quarter = (int)((angle * TwoOverPi) + 0.5);
        var r = angle - (quarter * HalfPiHigh) - (quarter * HalfPiLow);
        var s = r * r;
        // Taylor; the first term left out is below 1e-12 at π/4.
        var sin = r * (1 + (s * (-1.0 / 6 + (s * (1.0 / 120 + (s * (-1.0 / 5040 + (s * (1.0 / 362880 + (s * (-1.0 / 39916800)))))))))));
        var cos = 1 + (s * (-1.0 / 2 + (s * (1.0 / 24 + (s * (-1.0 / 720 + (s * (1.0 / 40320 + (s * (-1.0 / 3628800 + (s * (1.0 / 479001600))))))))))));
        if ((quarter & 1) != 0) (sin, cos) = (cos, -sin);
        if ((quarter & 2) != 0) (sin, cos) = (-sin, -cos);
        var to = a.Angles + ((((long)token * 2 * a.Count) + i) * 4);
        Dev.StoreFloat(to, (float)cos);
        Dev.StoreFloat(to + (a.Count * 4L), (float)sin);
    }
}
