using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Kernels.Cpu;
using WarpDecode.Runtime.Benchmarking;

namespace WarpDecode.Bench;

/// <summary>
/// Row kernels against the machine's limits: a matrix-vector pass over a matrix larger than any cache (two rows at a time, as
/// decode does) in GB/s of weights, and products with many tokens (as prefill does) in GFLOP/s.
/// </summary>
internal static unsafe class RowsBenchmark
{
    private const int Columns = 2048;

    // 32 tokens of x are 256 KiB: they live in a level 2 cache, and the 32 rows beside them.
    private const int Tokens = 32;
    private const int TileRows = 32;
    private const int TilePasses = 64;

    private static readonly WeightType[] Types = [.. Enum.GetValues<WeightType>().Where(Dispatch.Supports)];

    public static Command Command()
    {
        var mib = new Option<int>("--mib") { Description = "Size of the matrix, MiB", DefaultValueFactory = _ => 1024 };
        var threads = new Option<int>("--threads") { Description = "Threads of the parallel passes", DefaultValueFactory = _ => Environment.ProcessorCount };
        var repeats = new Option<int>("--repeats") { Description = "Repeats; the table has their median", DefaultValueFactory = _ => 9 };
        var types = new Option<WeightType[]>("--types") { Description = "Weight types", DefaultValueFactory = _ => Types, AllowMultipleArgumentsPerToken = true };
        var widths = new Option<LaneWidth[]>("--widths") { Description = "Vector widths", DefaultValueFactory = _ => [Dispatch.Width], AllowMultipleArgumentsPerToken = true };
        var output = new Option<FileInfo?>("--out") { Description = "File for the table" };
        var command = new Command("rows", "Row kernels: matrix-vector GB/s and many-token GFLOP/s") { mib, threads, repeats, types, widths, output };
        command.SetAction(parsed =>
        {
            var report = Run(
                (long)parsed.GetValue(mib) << 20,
                parsed.GetValue(threads),
                parsed.GetValue(repeats),
                [.. parsed.GetValue(widths)!.SelectMany(width => parsed.GetValue(types)!.Select(type => new Case(type, width)))]);
            Console.Write(report);
            if (parsed.GetValue(output) is { } file) File.WriteAllText(file.FullName, report);
        });
        return command;
    }

    private static string Run(long bytes, int threads, int repeats, Case[] cases)
    {
        using var memory = new HostMemory(bytes + 4096);
        using var activations = new HostMemory(Tokens * Columns * sizeof(float));
        var matrix = memory.Start;
        var x = (float*)activations.Start;
        Fill(matrix, bytes);
        for (var i = 0; i < Tokens * Columns; i++) x[i] = MathF.Sin(i);

        var (read1, read, fma1, fma) = (new Rates(), new Rates(), new Rates(), new Rates());
        // Each repeat measures everything once, so that a busy minute of the machine falls on all alike; the first warms up.
        for (var repeat = -1; repeat < repeats; repeat++)
        {
            Add(read1, bytes / 1e9 / HostMachine.Seconds(1, _ => HostMachine.Read(matrix, bytes)));
            Add(read, bytes / 1e9 / HostMachine.Seconds(threads, i => HostMachine.Read(matrix + (bytes / threads * i), bytes / threads)));
            Add(fma1, Limits.FmaFlops / 1e9 / HostMachine.Seconds(1, _ => Limits.Fma(0.999f)));
            Add(fma, threads * Limits.FmaFlops / 1e9 / HostMachine.Seconds(threads, _ => Limits.Fma(0.999f)));
            foreach (var c in cases)
            {
                var kernel = Dispatch.Rows(c.Type, c.Width);
                var rowBytes = c.Type.RowBytes(Columns);
                Add(c.Dot1, Pass(kernel, matrix, bytes, rowBytes, x, 1));
                Add(c.Dot, Pass(kernel, matrix, bytes, rowBytes, x, threads));
                Add(c.Tile1, Tile(kernel, matrix, rowBytes, x, 1));
                Add(c.Tile, Tile(kernel, matrix, rowBytes, x, threads));
            }

            void Add(Rates rates, double rate)
            {
                if (repeat >= 0) rates.Add(rate);
            }
        }

        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{HostMachine.Description}; {bytes >> 20} MiB, {Columns} columns, median (min..max) of {repeats}").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"| | 1 thread | share | {threads} threads | share |").AppendLine("|---|---|---|---|---|");
        text.AppendLine(CultureInfo.InvariantCulture, $"| read, GB/s | {read1} | | {read} | |");
        foreach (var c in cases) text.AppendLine(CultureInfo.InvariantCulture, $"| {c.Type} × 1 token, {c.Width}, GB/s | {c.Dot1} | {c.Dot1.Of(read1)} | {c.Dot} | {c.Dot.Of(read)} |");
        text.AppendLine(CultureInfo.InvariantCulture, $"| FMA, GFLOP/s | {fma1} | | {fma} | |");
        foreach (var c in cases) text.AppendLine(CultureInfo.InvariantCulture, $"| {c.Type} × {Tokens} tokens, {c.Width}, GFLOP/s | {c.Tile1} | {c.Tile1.Of(fma1)} | {c.Tile} | {c.Tile.Of(fma)} |");
        return text.ToString();
    }

    /// <summary>GB/s of one pass over the matrix, four rows at a time as the operations take them, each thread a contiguous share.</summary>
    private static double Pass(RowKernel kernel, byte* matrix, long bytes, long rowBytes, float* x, int threads)
    {
        var rows = bytes / rowBytes / threads / 4 * 4;
        var seconds = HostMachine.Seconds(threads, i =>
        {
            var a = stackalloc float[2];
            var b = stackalloc float[2];
            var sum = 0f;
            var row = matrix + (rows * rowBytes * i);
            for (var r = 0L; r < rows; r += 4, row += 4 * rowBytes)
            {
                kernel.DotPairs(row, row + rowBytes, 2 * rowBytes, x, Columns, a, b);
                sum += a[0] + b[0] + a[1] + b[1];
            }
            return sum;
        });
        return rows * rowBytes * threads / 1e9 / seconds;
    }

    /// <summary>GFLOP/s of a tile of rows against many tokens.</summary>
    private static double Tile(RowKernel kernel, byte* matrix, long rowBytes, float* x, int threads)
    {
        var seconds = HostMachine.Seconds(threads, i =>
        {
            var y = stackalloc float[8];
            var tokens = stackalloc float*[4];
            var sum = 0f;
            for (var pass = 0; pass < TilePasses; pass++)
            {
                for (var r = 0; r < TileRows; r += 2)
                {
                    var row = matrix + (r * rowBytes);
                    for (var t = 0; t < Tokens; t += 4)
                    {
                        for (var j = 0; j < 4; j++) tokens[j] = x + ((t + j) * Columns);
                        kernel.Dot4(row, row + rowBytes, tokens, Columns, y, y + 4);
                        sum += y[0] + y[7];
                    }
                }
            }
            return sum;
        });
        return 2.0 * TilePasses * TileRows * Tokens * Columns * threads / 1e9 / seconds;
    }

    /// <summary>Bytes that are sane blocks of every format: as halves and as floats, numbers near 0.1.</summary>
    private static void Fill(byte* to, long bytes)
    {
        const int period = 1 << 20;
        var random = new Random(1);
        for (var i = 0; i < period; i++) to[i] = (byte)((random.Next() & 7) | 0x30);
        for (long at = period; at < bytes; at += period) NativeMemory.Copy(to, to + at, (nuint)Math.Min(period, bytes - at));
    }

    private sealed record Case(WeightType Type, LaneWidth Width)
    {
        public Rates Dot1 { get; } = new();

        public Rates Dot { get; } = new();

        public Rates Tile1 { get; } = new();

        public Rates Tile { get; } = new();
    }
}
