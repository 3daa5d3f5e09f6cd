using WarpDecode.Formats;
using WarpDecode.Formats.Quantization;

namespace WarpDecode.Runtime.Quantization;

/// <summary>
/// Writes a model with its weights in other types, as a GGUF file. Tensor by tensor, in slices: whatever the model's size, buffers
/// take 16 MiB, a quarter of a MiB a thread, and one tensor's importance. The bytes do not depend on the number of threads.
/// </summary>
public static class Quantizer
{
    private const uint QuantizationVersion = 2; // of ggml's block layouts
    private const string FileTypeKey = "general.file_type";
    private const string VersionKey = "general.quantization_version";

    /// <summary>The types that weights can be written in.</summary>
    public static IReadOnlyList<WeightType> Types => RowEncoder.Types;

    /// <summary>What would be written.</summary>
    /// <param name="input">A model file.</param>
    /// <param name="options">How to quantize it.</param>
    /// <exception cref="ModelFileException">The input, or the importance matrix, cannot be read.</exception>
    /// <exception cref="QuantizeException">It cannot be quantized so.</exception>
    public static QuantizePlan Plan(string input, QuantizeOptions options)
    {
        using var job = new Job(input, options);
        return job.Plan;
    }

    /// <summary>Quantizes a model. The output has its name only when it is whole and on the disk.</summary>
    /// <param name="input">A model file.</param>
    /// <param name="output">Path of the GGUF file to write.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellation">Stops it within a moment; nothing is left behind.</param>
    /// <exception cref="ModelFileException">The input, or the importance matrix, cannot be read.</exception>
    /// <exception cref="QuantizeException">It cannot be quantized so, or the output may not be written there.</exception>
    /// <exception cref="IOException">The output cannot be written.</exception>
    public static QuantizePlan Run(string input, string output, QuantizeOptions options, CancellationToken cancellation = default)
    {
        using var job = new Job(input, options);
        OutputPath.Check(input, output, options.Overwrite);
        job.Write(output, cancellation);
        return job.Plan;
    }

    private sealed class Job : IDisposable
    {
        private readonly QuantizeOptions options;
        private readonly ModelFile file;
        private readonly ImportanceMatrix? importance;
        private readonly GgufWriter writer;
        private readonly long total;
        private CancellationToken cancellation;
        private long done;

        public Job(string input, QuantizeOptions options)
        {
            this.options = options;
            file = ModelFile.Open(input);
            try
            {
                if (options.ImportancePath is { } path) importance = new ImportanceMatrix(path);
                Plan = MakePlan(out writer);
                total = Plan.Tensors.Sum(t => t.Count);
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public QuantizePlan Plan { get; }

        public void Write(string output, CancellationToken token)
        {
            cancellation = token;
            writer.Save(output, options.Overwrite, token);
        }

        public void Dispose()
        {
            importance?.Dispose();
            file.Dispose();
        }

        private QuantizePlan MakePlan(out GgufWriter plannedWriter)
        {
            var mix = new TypeMix(file, options, importance is not null);
            var (tensors, notes, withoutImportance) = (new List<QuantizedTensor>(), new List<string>(), new List<string>());
            plannedWriter = MakeWriter();
            if (file.Metadata.Contains("tokenizer.huggingface.json") && file.Metadata.GetString("tokenizer.ggml.model") == "huggingface")
                notes.Add("GGUF has no form for this model's tokenizer: the file keeps its tokenizer.json, which WarpDecode Runtime reads and llama.cpp does not");
            foreach (var tensor in file.Tensors)
            {
                string? note = null;
                // What stays is widened to FP32, which readers expect of norms, routers and biases, if it is a number of 16 or 64 bits
                // or of a type that GGUF lacks.
                var type = TypeMix.MayQuantize(tensor) ? mix.Choose(tensor, out note)
                    : tensor.Type is WeightType.F16 or WeightType.BF16 or WeightType.F64 || !tensor.Type.IsKnown() ? WeightType.F32 : tensor.Type;
                if (note is not null) notes.Add(note);
                float[]? weights = null;
                if (type != tensor.Type)
                {
                    // FP8 is how some models are published, and GGUF has no such type: there is nothing better to take.
                    if (tensor.Type.BlockValues() > 1 && tensor.Type.IsKnown() && !options.AllowRequantize)
                    {
                        throw new QuantizeException($"{file.Path}: tensor {tensor} is quantized already",
                            "Quantize from F32, F16 or BF16, which loses less; --allow-requantize does it nevertheless.");
                    }
                    _ = new SourceRows(file.Path, tensor); // whether its type can be read shows now and not in the middle
                    var encoder = RowEncoder.Of(type);
                    if (encoder.UsesImportance && importance is not null)
                    {
                        weights = importance.Of(tensor); // read again when its turn comes: all of them together would be much
                        if (weights is null) withoutImportance.Add(ModelFileException.Printable(tensor.Name));
                    }
                    plannedWriter.Add(tensor.Name, type, [.. tensor.Shape], stream => Convert(tensor, encoder, stream));
                }
                else
                {
                    plannedWriter.Add(tensor.Name, type, [.. tensor.Shape], stream => Copy(tensor, stream));
                }
                tensors.Add(new QuantizedTensor(tensor.Name, tensor.Shape, tensor.Type, type, weights is not null));
            }
            if (withoutImportance.Count > 0) notes.Add($"the importance matrix has no entry for {string.Join(", ", withoutImportance)}: their weights count all alike");
            return new QuantizePlan(tensors, notes, plannedWriter.Length);
        }

        private GgufWriter MakeWriter()
        {
            foreach (var refusal in file.Metadata.Refused.Values) throw new ModelFileException(refusal); // a file without it would be of no use
            var made = new GgufWriter(file.Metadata.GetString("general.architecture"));
            foreach (var key in file.Metadata.Keys)
            {
                if (key == "general.architecture") continue;
                if (key.StartsWith("quantize.imatrix.", StringComparison.Ordinal)) continue; // of an earlier quantization
                if (key.StartsWith("split.", StringComparison.Ordinal)) continue; // the output is one file
                if (key == FileTypeKey) made.Add(key, options.Target.FileType);
                else if (key == VersionKey) made.Add(key, QuantizationVersion);
                else made.Copy(file.Metadata, key);
            }
            if (!file.Metadata.Contains(VersionKey)) made.Add(VersionKey, QuantizationVersion);
            if (!file.Metadata.Contains(FileTypeKey)) made.Add(FileTypeKey, options.Target.FileType);
            if (importance is null) return made;
            made.Add("quantize.imatrix.file", options.ImportancePath!);
            if (importance.Dataset is { } dataset) made.Add("quantize.imatrix.dataset", dataset);
            made.Add("quantize.imatrix.entries_count", (uint)importance.Entries);
            if (importance.Chunks is { } chunks) made.Add("quantize.imatrix.chunks_count", chunks);
            return made;
        }

        private unsafe void Copy(TensorView tensor, Stream stream)
        {
            const int Most = 8 << 20;
            var rows = Math.Clamp(Most / Math.Max(1, tensor.RowBytes), 1, Math.Max(1, tensor.Rows));
            var buffer = new byte[checked((int)(rows * tensor.RowBytes))];
            for (var row = 0L; row < tensor.Rows; row += rows)
            {
                cancellation.ThrowIfCancellationRequested();
                rows = Math.Min(rows, tensor.Rows - row);
                fixed (byte* at = buffer) tensor.CopyRows(row, rows, at);
                stream.Write(buffer, 0, (int)(rows * tensor.RowBytes));
                Report(tensor, rows * (tensor.Shape.Count > 0 ? tensor.Shape[^1] : 1));
            }
            file.CheckWhole();
        }

        private void Convert(TensorView tensor, RowEncoder encoder, Stream stream)
        {
            var rows = new SourceRows(file.Path, tensor);
            var weights = encoder.UsesImportance ? importance?.Of(tensor) : null;
            new TensorEncoding(rows, encoder, weights, tensor, options.Threads).Write(stream, count => Report(tensor, count), cancellation);
            file.CheckWhole();
        }

        private void Report(TensorView tensor, long count)
        {
            done += count;
            options.Progress?.Report(new QuantizeProgress(done, total, tensor.Name));
        }
    }
}
