#pragma warning disable CA2014
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Cpu;

unsafe
{
    const int columns = 2048; const long total = 1L << 29;
    var mem = (byte*)NativeMemory.AlignedAlloc((nuint)total + 4096, 64);
    new Random(1).NextBytes(new Span<byte>(mem, 1 << 24)); for (var i = 0; i < 1 << 24; i++) mem[i] = (byte)((mem[i] & 7) | 0x30);
    for (long o = 1 << 24; o < total; o += 1 << 24) Buffer.MemoryCopy(mem, mem + o, 1 << 24, 1 << 24);
    var x = (float*)NativeMemory.AlignedAlloc(4 * columns * 8, 64);
    for (var i = 0; i < 4 * columns; i++) x[i] = MathF.Sin(i);
    double best = 0;
    for (var rep = 0; rep < 5; rep++)
    {
        var sw = Stopwatch.StartNew(); var sums = new ulong[8]; 
        Parallel.For(0, 2, th => { var p = (ulong*)(mem + th * (total / 2)); var v0 = Vector256<ulong>.Zero; var v1 = v0; var v2 = v0; var v3 = v0; var q = (byte*)p; for (long o = 0; o < total / 2; o += 128) { v0 += Vector256.Load((ulong*)(q + o)); v1 += Vector256.Load((ulong*)(q + o + 32)); v2 += Vector256.Load((ulong*)(q + o + 64)); v3 += Vector256.Load((ulong*)(q + o + 96)); } sums[th] = (v0 + v1 + v2 + v3)[0]; });
        best = Math.Max(best, total / sw.Elapsed.TotalSeconds / 1e9); GC.KeepAlive(sums);
    }
    Console.WriteLine($"read 2 threads {best:F1} GB/s");
    foreach (var type in new[] { WeightType.F32, WeightType.Q8_0, WeightType.Q4_K, WeightType.Q6_K }) { var k = Dispatch.Rows(type); float a, b; var rb = type.RowBytes(columns); for (var rep = 0; rep < 3; rep++) { var sw = Stopwatch.StartNew(); for (var i = 0; i < 200000; i++) k.Dot(mem, mem + rb, x, columns, &a, &b); Console.WriteLine($"L1 {type} {2 * rb * 200000 / sw.Elapsed.TotalSeconds / 1e9:F1} GB/s"); } }
    foreach (var width in new[] { LaneWidth.Avx512, LaneWidth.Avx2, LaneWidth.Portable })
        foreach (var type in new[] { WeightType.F32, WeightType.BF16, WeightType.F16, WeightType.Q8_0, WeightType.Q4_K, WeightType.Q6_K })
        {
            if (width == LaneWidth.Avx512 && !Vector512.IsHardwareAccelerated) continue;
            var k = Dispatch.Rows(type, width); var rb = type.RowBytes(columns); var rows = total / 2 / rb;
            foreach (var threads in new[] { 1, 2 })
            {
                double m = 0;
                for (var rep = 0; rep < 4; rep++)
                {
                    var sw = Stopwatch.StartNew();
                    Parallel.For(0, threads, th => { var p = mem + th * (total / 2); float a, b; for (long r = 0; r + 1 < rows; r += 2) k.Dot(p + r * rb, p + (r + 1) * rb, x, columns, &a, &b); });
                    m = Math.Max(m, rows * rb * threads / sw.Elapsed.TotalSeconds / 1e9);
                }
                double m4 = 0; var ptr = stackalloc nint[4]; for (var i = 0; i < 4; i++) ptr[i] = (nint)(x + i * columns); var ptr2 = (nint)ptr;
                for (var rep = 0; rep < 2; rep++)
                {
                    var sw = Stopwatch.StartNew();
                    Parallel.For(0, threads, th => { var p = mem + th * (total / 2); var o = stackalloc float[8]; for (long r = 0; r + 1 < rows / 4; r += 2) k.Dot4(p + r * rb, p + (r + 1) * rb, (float**)ptr2, columns, o, o + 4); });
                    m4 = Math.Max(m4, rows / 4 * rb * threads / sw.Elapsed.TotalSeconds / 1e9);
                }
                Console.WriteLine($"{width} {type} {threads}t {m:F1} GB/s {100 * m / best:F0}%   x4: {m4:F1} GB/s = {m4 / type.BlockBytes() * type.BlockValues() * 8:F0} GFLOP/s");
            }
        }
}
