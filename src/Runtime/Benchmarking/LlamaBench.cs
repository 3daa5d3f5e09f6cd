using System.Text.Json;

namespace WarpDecode.Runtime.Benchmarking;

/// <summary>Results of llama.cpp's llama-bench (<c>-o json</c>) beside ours. It decodes one sequence at a time.</summary>
internal static class LlamaBench
{
    /// <summary>The report with llama-bench's tokens/s in the rows that measured the same: prompt or decoding, tokens, depth, GPU or CPU.</summary>
    /// <param name="report">Ours.</param>
    /// <param name="json">What llama-bench wrote.</param>
    /// <param name="file">Where it was read from, for messages.</param>
    /// <exception cref="FormatException">Not a result of llama-bench, or none of the same measurement; the message says which.</exception>
    public static BenchmarkReport Compare(BenchmarkReport report, string json, string file)
    {
        ArgumentNullException.ThrowIfNull(report);
        var others = Read(json, file);
        var rows = report.Rows.Select(row => row with
        {
            Other = row.Batch == 1 && others.FirstOrDefault(o => o.Matches(row)) is { } other ? other.Rates : null,
        }).ToList();
        if (rows.TrueForAll(r => r.Other is null))
        {
            throw new FormatException(
                $"{file}: none of its {others.Count} results is of a measurement that was made here; it has {string.Join("; ", others)}, here are {string.Join("; ", rows.Where(r => r.Batch == 1).Select(r => $"{r.Test} {r.Tokens} at depth {r.Depth} on the {(r.Backend == "cuda" ? "gpu" : "cpu")}"))}");
        }
        var notes = others.Select(o => o.Build).Distinct(StringComparer.Ordinal).Select(build => $"compared with llama.cpp, {build} ({file})").ToList();
        foreach (var name in others.Select(o => Path.GetFileName(o.Model)).Distinct(StringComparer.Ordinal).Where(name => name != report.Model))
            notes.Add($"{file} is of the model {name}, not of {report.Model}");
        return report with { Rows = rows, Notes = [.. report.Notes, .. notes] };
    }

    private static List<Result> Read(string json, string file)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var list = document.RootElement.EnumerateArray().Select(e => new Result(
                e.GetProperty("n_prompt").GetInt32(),
                e.GetProperty("n_gen").GetInt32(),
                e.TryGetProperty("n_depth", out var depth) ? depth.GetInt32() : 0, // older versions know no depth
                e.GetProperty("n_gpu_layers").GetInt32() != 0 && // -1 is all
                     e.GetProperty("backends").GetString() is { } backends && backends.Split(',').Any(b => b.Trim() is not ("CPU" or "BLAS" or "RPC")),
                e.GetProperty("model_filename").GetString() ?? "",
                $"build {e.GetProperty("build_number").GetInt32()} ({e.GetProperty("build_commit").GetString()}), {e.GetProperty("backends").GetString()}, {e.GetProperty("n_threads").GetInt32()} threads, {e.GetProperty("type_k").GetString()} keys",
                new Rates([.. e.GetProperty("samples_ts").EnumerateArray().Select(s => s.GetDouble())]))).ToList();
            return list.Count > 0 && list.TrueForAll(r => r.Rates.Values.Count > 0) ? list : throw new FormatException($"{file}: there is no result in it");
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException { InnerException: not null })
        {
            throw new FormatException($"{file}: not what llama-bench -o json writes: {e.Message}", e);
        }
    }

    private sealed record Result(int Prompt, int Generated, int Depth, bool Gpu, string Model, string Build, Rates Rates)
    {
        public bool Matches(BenchmarkRow row) =>
            Gpu == (row.Backend == "cuda") && Depth == row.Depth
            && (row.Test == BenchmarkRow.Prefill ? (Prompt, Generated) == (row.Tokens, 0) : (Prompt, Generated) == (0, row.Tokens));

        public override string ToString() =>
            $"{(Generated == 0 ? $"prefill {Prompt}" : Prompt == 0 ? $"decode {Generated}" : $"prefill {Prompt} and decode {Generated}")} at depth {Depth} on the {(Gpu ? "gpu" : "cpu")}";
    }
}
