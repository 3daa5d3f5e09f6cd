using System.Runtime.Intrinsics;
using WarpDecode.Kernels;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>
/// The experts of a layer in FP64 from beginning to end. The reference backend rounds mid and its outputs to FP32, and that is as
/// large as what is to be measured of a path that keeps activations in FP32.
/// </summary>
internal static unsafe class AccuracyOracle
{
    /// <summary>y[t] = Σₖ weight(t, k) · down[e]·(silu(gate[e]·h[t]) · (up[e]·h[t])), e = expert k of t.</summary>
    /// <param name="trace">Input and routes of the tokens.</param>
    /// <param name="tokens">T.</param>
    /// <param name="weights">The layer's weights, in host memory.</param>
    /// <param name="threads">Threads; -1 for as many as there are cores.</param>
    /// <param name="cancellation">Stops between rows.</param>
    /// <returns>y [T, H].</returns>
    public static double[] Experts(LayerTrace trace, int tokens, (Weight Gate, Weight Up, Weight Down) weights, int threads, CancellationToken cancellation)
    {
        var (gate, up, down) = ((HostWeight)weights.Gate, (HostWeight)weights.Up, (HostWeight)weights.Down);
        var (hidden, ff) = (gate.Columns, gate.Rows);
        var topK = trace.Experts.Length / (trace.Input.Length / hidden);
        var h = Array.ConvertAll(trace.Input, v => (double)v);
        var mid = new double[tokens * topK * ff];
        var y = new double[tokens * hidden];
        var byExpert = Enumerable.Range(0, tokens * topK).GroupBy(pair => trace.Experts[pair]).Select(g => (Expert: g.Key, Pairs: g.ToArray())).ToArray();
        var options = new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancellation };
        Parallel.For(0, ff, options, () => new float[2 * hidden], (f, _, row) =>
        {
            var g = row.AsSpan(0, hidden);
            var u = row.AsSpan(hidden);
            foreach (var (expert, pairs) in byExpert)
            {
                Widen(gate, expert, f, g);
                Widen(up, expert, f, u);
                foreach (var pair in pairs)
                {
                    var x = h.AsSpan(pair / topK * hidden, hidden);
                    var product = Dot(g, x);
                    mid[(pair * ff) + f] = product / (1 + Math.Exp(-product)) * Dot(u, x);
                }
            }
            return row;
        }, _ => { });
        Parallel.For(0, hidden, options, () => new float[ff], (r, _, row) =>
        {
            foreach (var (expert, pairs) in byExpert)
            {
                Widen(down, expert, r, row);
                foreach (var pair in pairs) y[(pair / topK * hidden) + r] += trace.Weights[pair] * Dot(row, mid.AsSpan(pair * ff, ff));
            }
            return row;
        }, _ => { });
        return y;
    }

    // Widening is exact.
    private static void Widen(HostWeight weight, int expert, int row, Span<float> to)
    {
        fixed (float* p = to) weight.Kernel.Widen(weight.Row(expert, row), p, weight.Columns);
    }

    private static double Dot(ReadOnlySpan<float> w, ReadOnlySpan<double> x)
    {
        var (a, b) = (Vector256<double>.Zero, Vector256<double>.Zero);
        var i = 0;
        for (; i + 8 <= w.Length; i += 8)
        {
            var (low, high) = Vector256.Widen(Vector256.Create(w.Slice(i, 8)));
            a += low * Vector256.Create(x.Slice(i, 4));
            b += high * Vector256.Create(x.Slice(i + 4, 4));
        }
        var sum = Vector256.Sum(a + b);
        for (; i < w.Length; i++) sum += w[i] * x[i];
        return sum;
    }
}
