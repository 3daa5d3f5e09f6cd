using WarpDecode.Formats;

namespace WarpDecode.Runtime.Quantization;

/// <summary>
/// How much each column of each weight matters: the mean square of the activation that it is multiplied with, over a calibration
/// text; the expected squared error of a product's result is the sum of the weights' squared errors times these, if activations are
/// uncorrelated. Read from llama.cpp's GGUF importance matrix (tools/imatrix): for a tensor NAME [E, F, H] <c>NAME.in_sum2</c>
/// [E, H], sums of squares, and <c>NAME.counts</c> [E, 1], how many activations were summed.
/// </summary>
internal sealed class ImportanceMatrix : IDisposable
{
    private const string Sums = ".in_sum2";
    private const string Counts = ".counts";
    private const string Advice = "Make the importance matrix again with a current llama-imatrix, for this model.";

    // What a column keeps whose activation was always 0 in the calibration text, relative to the mean: elsewhere it may not be.
    private const float Least = 1e-6f;

    private readonly ModelFile file;

    /// <exception cref="ModelFileException">It is no importance matrix.</exception>
    public ImportanceMatrix(string path)
    {
        try
        {
            file = ModelFile.Open(path);
        }
        catch (ModelFileException e) when (e.Message.Contains("magic number", StringComparison.Ordinal))
        {
            throw new QuantizeException(
                $"{path} is no GGUF file", "An importance matrix of the old format becomes one by llama-imatrix --in-file OLD -o NEW.gguf.");
        }
        try
        {
            if (!file.Metadata.Contains("general.type") || file.Metadata.GetString("general.type") != "imatrix")
            {
                ModelFileException.Throw("kind of file", path, "general.type", expected: "imatrix",
                    found: file.Metadata.Contains("general.type") ? file.Metadata.Show("general.type") : "none", advice: Advice);
            }
            Entries = file.Tensors.Count(t => t.Name.EndsWith(Sums, StringComparison.Ordinal));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Tensors that it says something about.</summary>
    public int Entries { get; }

    /// <summary>The calibration text's name, or null.</summary>
    public string? Dataset => file.Metadata.Contains("imatrix.datasets") && file.Metadata.GetStrings("imatrix.datasets") is [var first, ..] ? first : null;

    /// <summary>Windows of the calibration text, or null.</summary>
    public uint? Chunks => file.Metadata.Contains("imatrix.chunk_count") ? (uint)file.Metadata.GetInteger("imatrix.chunk_count", 0, uint.MaxValue) : null;

    /// <summary>The importance of a tensor's columns, expert by expert [E, H], each expert's around 1; or null if there is none.</summary>
    /// <exception cref="ModelFileException">Its size is not the tensor's, or its values are no sums of squares.</exception>
    public unsafe float[]? Of(TensorView tensor)
    {
        var (sums, counts) = (file.Find(tensor.Name + Sums), file.Find(tensor.Name + Counts));
        if (sums is null && counts is null) return null;
        var columns = tensor.Shape[^1];
        var experts = tensor.Shape.Count > 2 ? tensor.Shape.Take(tensor.Shape.Count - 2).Aggregate(1L, (a, b) => a * b) : 1;
        if (sums is null || counts is null)
            ModelFileException.Throw("importance of tensor", file.Path, tensor.Name, expected: "sums and counts", found: "one of them only", advice: Advice);
        if (sums.Type != WeightType.F32 || counts.Type != WeightType.F32)
            ModelFileException.Throw("importance of tensor", file.Path, tensor.Name, sums.Offset, "F32", $"{sums.Type} and {counts.Type}", Advice);
        if (sums.Count != columns * experts || counts.Count != experts)
        {
            ModelFileException.Throw("importance of tensor", file.Path, tensor.Name, sums.Offset, $"{experts} × {columns} sums and {experts} counts",
                $"{sums.Count} and {counts.Count}", "It was made with another model: make one with this model's llama-imatrix run.");
        }
        var importance = new float[sums.Count]; // no more than the file has
        new ReadOnlySpan<float>(sums.Data, importance.Length).CopyTo(importance);
        var perExpert = new ReadOnlySpan<float>(counts.Data, (int)experts);
        for (var e = 0; e < experts; e++)
        {
            var own = importance.AsSpan((int)(e * columns), (int)columns);
            var total = 0.0;
            for (var i = 0; i < own.Length; i++)
            {
                if (!(own[i] >= 0 && own[i] <= float.MaxValue))
                    ModelFileException.Throw("importance of tensor", file.Path, tensor.Name, sums.Offset + (4 * ((e * columns) + i)), "a finite sum of squares", own[i].ToString(), Advice);
                total += own[i];
            }
            if (!(perExpert[e] >= 0 && perExpert[e] <= float.MaxValue))
                ModelFileException.Throw("importance of tensor", file.Path, tensor.Name, counts.Offset + (4 * e), "a finite count", perExpert[e].ToString(), Advice);
            var mean = total / own.Length;
            // Relative to their mean: only proportions matter within an expert, and squares of what is near 1 stay in range. An
            // expert that no token of the calibration text was routed to has nothing to say.
            for (var i = 0; i < own.Length; i++) own[i] = perExpert[e] > 0 && mean > 0 ? Math.Max((float)(own[i] / mean), Least) : 1;
        }
        return importance;
    }

    public void Dispose() => file.Dispose();
}
