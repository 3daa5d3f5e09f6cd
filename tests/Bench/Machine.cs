using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using WarpDecode.Kernels;

namespace WarpDecode.Bench;

/// <summary>The machine a result belongs to.</summary>
internal static class Machine
{
    public static string Description { get; } = string.Create(
        CultureInfo.InvariantCulture,
        $"{CpuModel()}, {Environment.ProcessorCount} cores, {RuntimeInformation.FrameworkDescription}, {Dispatch.Width}");

    private static string CpuModel()
    {
        const string info = "/proc/cpuinfo";
        var line = File.Exists(info) ? File.ReadLines(info).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line is null ? RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}

/// <summary>What the machine can do at most: the denominators of the tables.</summary>
internal static unsafe class Limits
{
    /// <summary>FMA operations of <see cref="Fma"/> in one call.</summary>
    public const long FmaFlops = 2L * 16 * 16 * FmaRounds;

    private const int FmaRounds = 1_000_000;

    /// <summary>Reads <paramref name="bytes"/> bytes with plain vector loads, in four streams as the prefetcher likes them.</summary>
    public static float Read(byte* start, long bytes)
    {
        var (a, b, c, d) = (Vector256<int>.Zero, Vector256<int>.Zero, Vector256<int>.Zero, Vector256<int>.Zero);
        for (var end = start + (bytes & ~127L); start != end; start += 128)
        {
            a ^= Vector256.Load((int*)start);
            b ^= Vector256.Load((int*)(start + 32));
            c ^= Vector256.Load((int*)(start + 64));
            d ^= Vector256.Load((int*)(start + 96));
        }
        return ((a ^ b) ^ (c ^ d))[0];
    }

    /// <summary>Sixteen independent chains of fused multiply-adds on 16 lanes (as 2 × 8 where registers are no wider).</summary>
    public static float Fma(float seed)
    {
        if (Vector512.IsHardwareAccelerated) return Fma512(seed);
        var (factor, term) = (Vector256.Create(seed), Vector256.Create(1e-3f));
        var (a, b, c, d, e, f) = (term, term, term, term, term, term);
        var (g, h, i, j, k, l) = (term, term, term, term, term, term);
        // 12 chains fill the 16 registers; a round of the other width has 32 such operations.
        for (var r = 0; r < FmaRounds * 32 / 12; r++)
        {
            a = Vector256.FusedMultiplyAdd(a, factor, term);
            b = Vector256.FusedMultiplyAdd(b, factor, term);
            c = Vector256.FusedMultiplyAdd(c, factor, term);
            d = Vector256.FusedMultiplyAdd(d, factor, term);
            e = Vector256.FusedMultiplyAdd(e, factor, term);
            f = Vector256.FusedMultiplyAdd(f, factor, term);
            g = Vector256.FusedMultiplyAdd(g, factor, term);
            h = Vector256.FusedMultiplyAdd(h, factor, term);
            i = Vector256.FusedMultiplyAdd(i, factor, term);
            j = Vector256.FusedMultiplyAdd(j, factor, term);
            k = Vector256.FusedMultiplyAdd(k, factor, term);
            l = Vector256.FusedMultiplyAdd(l, factor, term);
        }
        return Vector256.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
    }

    private static float Fma512(float seed)
    {
        var (factor, term) = (Vector512.Create(seed), Vector512.Create(1e-3f));
        var (a, b, c, d, e, f, g, h) = (term, term, term, term, term, term, term, term);
        for (var r = 0; r < FmaRounds * 2; r++)
        {
            a = Vector512.FusedMultiplyAdd(a, factor, term);
            b = Vector512.FusedMultiplyAdd(b, factor, term);
            c = Vector512.FusedMultiplyAdd(c, factor, term);
            d = Vector512.FusedMultiplyAdd(d, factor, term);
            e = Vector512.FusedMultiplyAdd(e, factor, term);
            f = Vector512.FusedMultiplyAdd(f, factor, term);
            g = Vector512.FusedMultiplyAdd(g, factor, term);
            h = Vector512.FusedMultiplyAdd(h, factor, term);
        }
        return Vector512.Sum(a + b + c + d + e + f + g + h);
    }
}
