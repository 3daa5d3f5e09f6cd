using System.Text.Json;

namespace WarpDecode.Formats.HuggingFace;

/// <summary>
/// A model as Hugging Face lays it out, presented in the vocabulary of GGUF: config.json and the tokenizer's files as its metadata,
/// the tensors under its names. Separate and fused experts are stacks [E, F, H] whose experts stay where they lie; what has no such
/// form in the files (FP8 with scales apart, experts stored transposed) is put together row by row when it is asked for.
/// </summary>
internal sealed unsafe class FolderModel : ModelFile
{
    private const string MixedAdvice = "The model's files do not fit each other: download them again.";
    private const string BlocksSuffix = "_blocks";
    private static readonly string[] ScaleSuffixes = ["_scale_inv", "_scale"];

    private readonly ModelFile header; // the metadata, as the header of a GGUF file in memory
    private readonly List<TensorView> tensors = [];
    private readonly Dictionary<string, TensorView> byName = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SafetensorsTensor> stored = new(StringComparer.Ordinal);
    private readonly IReadOnlyList<Safetensors> files;
    private readonly JsonFile config;
    private readonly Architecture architecture;
    private readonly (int Rows, int Columns)? block;

    public FolderModel(string path)
        : base(path)
    {
        var folder = ModelFiles.Open(path);
        config = folder.Config();
        architecture = Architecture.Of(config);
        block = BlockSize(config);
        header = Header(folder);
        files = [];
        try
        {
            files = folder.OpenWeights();
            foreach (var tensor in files.SelectMany(f => f.Tensors))
            {
                if (!stored.TryAdd(tensor.Name, tensor))
                    ModelFileException.Throw("name of tensor", tensor.File.Path, tensor.Name, tensor.Offset, "a name of its own", $"the name of one in {stored[tensor.Name].File.Path}", MixedAdvice);
            }
            Present();
            Tensors = tensors.AsReadOnly();
        }
        catch
        {
            Dispose(disposing: true);
            throw;
        }
    }

    public override string Format => files.Count == 1 ? "safetensors" : $"safetensors, {files.Count} shards";

    public override long Length => files.Sum(f => f.Length);

    public override IReadOnlyList<ModelShard> Shards => [.. files.Select(f => new ModelShard(f.Path, f.Length, f.Tensors.Count))];

    public override Metadata Metadata => header.Metadata;

    public override IReadOnlyList<TensorView> Tensors { get; } = [];

    public override TensorView? Find(string name) => byName.GetValueOrDefault(name);

    internal override void CheckWhole()
    {
        for (var i = 0; i < files.Count; i++) files[i].CheckWhole();
    }

    private protected override void Dispose(bool disposing)
    {
        header.Dispose();
        foreach (var file in files) file.Dispose();
    }

    private ModelFile Header(ModelFiles folder)
    {
        var writer = new GgufWriter(architecture.Name).Add("general.type", "model").Add("general.name", folder.Name);
        architecture.WriteConfig(config, writer);
        var generation = folder.FindJson("generation_config.json");
        WriteSampling(generation, writer);
        var refusal = new TokenizerFiles(folder, config, generation).Write(writer);
        var made = InMemory(Path, writer);
        if (refusal is not null) made.Metadata.Refuse("tokenizer.ggml.model", refusal);
        return made;
    }

    private static void WriteSampling(JsonFile? generation, GgufWriter to)
    {
        const string prefix = "general.sampling.";
        if (generation is null) return;
        foreach (var (name, key) in new[] { ("temperature", "temp"), ("top_p", "top_p"), ("min_p", "min_p"), ("repetition_penalty", "penalty_repeat") })
        {
            if (generation.TryGet(name, out _)) to.Add(prefix + key, (float)generation.Number(name));
        }
        if (generation.TryGet("top_k", out _)) to.Add(prefix + "top_k", generation.Integer("top_k"));
    }

    private static (int Rows, int Columns)? BlockSize(JsonFile config)
    {
        if (!config.TryGet("quantization_config", out var quantization) || !JsonFile.TryGet(quantization, "weight_block_size", out var size)) return null;
        if (size.ValueKind == JsonValueKind.Array && size.GetArrayLength() == 2 && size[0].ValueKind == JsonValueKind.Number && size[1].ValueKind == JsonValueKind.Number
            && size[0].TryGetInt32(out var rows) && size[1].TryGetInt32(out var columns) && rows > 0 && columns > 0)
        {
            return (rows, columns);
        }
        config.Wrong("quantization_config.weight_block_size", "two numbers above 0", size);
        return null;
    }

    private void Present()
    {
        var scales = new HashSet<string>(StringComparer.Ordinal);
        foreach (var tensor in stored.Values)
        {
            if (IsEightBits(tensor) && ScalesOf(tensor) is { } scale) scales.Add(scale.Name);
            if (FoursScales(tensor) is { } powers) scales.Add(powers.Name);
        }
        var stacks = new Dictionary<string, SortedList<int, SafetensorsTensor>>(StringComparer.Ordinal);
        var fused = new List<(string Name, SafetensorsTensor Tensor)>();
        foreach (var tensor in stored.Values)
        {
            // Scales of activations are for those who round these: we never do.
            if (scales.Contains(tensor.Name) || tensor.Name.EndsWith(".input_scale", StringComparison.Ordinal)) continue;
            if (architecture.Find(tensor.Name, config) is not { } place) continue;
            if (place.Expert is { } expert)
            {
                if (!stacks.TryGetValue(place.Name, out var stack)) stacks.Add(place.Name, stack = []);
                if (!stack.TryAdd(expert, tensor)) Twice(tensor, place.Name);
            }
            else if (place.Name.EndsWith(Fused.GateUp, StringComparison.Ordinal) || place.Name.EndsWith(Fused.Down, StringComparison.Ordinal))
            {
                fused.Add((place.Name, tensor));
            }
            else
            {
                var view = View(place.Name, tensor);
                Add(place.Heads > 0 ? InNeighbours(view, place.Heads, tensor) : view, tensor);
            }
        }
        foreach (var (name, stack) in stacks) Add(Stack(name, stack), stack.Values[0]);
        PresentFused(fused);
    }

    private void Add(TensorView view, SafetensorsTensor tensor)
    {
        if (!byName.TryAdd(view.Name, view)) Twice(tensor, view.Name);
        tensors.Add(view);
    }

    private static void Twice(SafetensorsTensor tensor, string name) =>
        ModelFileException.Throw("name of tensor", tensor.File.Path, tensor.Name, tensor.Offset, $"one tensor for {name}", "a second", MixedAdvice);

    private TensorView View(string name, SafetensorsTensor tensor)
    {
        if (!IsEightBits(tensor))
        {
            var type = TypeOf(tensor);
            return new TensorView(name, type, tensor.Shape, tensor.Offset, tensor.Bytes, [(nint)tensor.Data], tensor.File.Path);
        }
        var scaled = Scale(tensor);
        return new TensorView(name, scaled.Type, tensor.Shape, tensor.Offset, scaled.Type.RowBytes(tensor.Shape[1]) * tensor.Shape[0], scaled.CopyRows, tensor.File.Path);
    }

    private static TensorView InNeighbours(TensorView view, int heads, SafetensorsTensor tensor)
    {
        if (view.Shape.Count != 2 || view.Rows > int.MaxValue || heads == 0 || view.Rows % (2L * heads) != 0)
            ModelFileException.Throw("shape of tensor", tensor.File.Path, tensor.Name, tensor.Offset, $"[rows of {heads} heads, columns]", $"[{string.Join(", ", view.Shape)}]", MixedAdvice);
        return view.Reordered(RopeOrder.ToNeighbours(heads, (int)view.Rows / heads));
    }

    private TensorView Stack(string name, SortedList<int, SafetensorsTensor> experts)
    {
        var first = experts.Values[0];
        foreach (var (expert, tensor) in experts)
        {
            if (tensor.Type == first.Type && tensor.Shape.AsSpan().SequenceEqual(first.Shape)) continue;
            ModelFileException.Throw($"expert {expert} of {name},", tensor.File.Path, tensor.Name, tensor.Offset, $"{first.Type} [{string.Join(", ", first.Shape)}], as the others",
                $"{tensor.Type} [{string.Join(", ", tensor.Shape)}]", MixedAdvice);
        }
        if (experts.Keys[^1] != experts.Count - 1)
        {
            var missing = Enumerable.Range(0, experts.Count).First(i => experts.Keys[i] != i);
            ModelFileException.Throw($"experts of {name}: none of number {missing} before", first.File.Path, experts.Values[missing].Name, experts.Values[missing].Offset, advice: "The model is incomplete: download the missing files.");
        }
        if (first.Shape is not [var rows, var columns])
        {
            ModelFileException.Throw("shape of tensor", first.File.Path, first.Name, first.Offset, "[rows, columns]", $"[{string.Join(", ", first.Shape)}]", MixedAdvice);
            return null!;
        }
        long[] shape = [experts.Count, rows, columns];
        if (!IsEightBits(first))
        {
            var type = TypeOf(first);
            var starts = new nint[experts.Count];
            for (var i = 0; i < starts.Length; i++) starts[i] = (nint)experts.Values[i].Data;
            return new TensorView(name, type, shape, first.Offset, first.Bytes * experts.Count, starts, first.File.Path);
        }
        var scaled = experts.Values.Select(Scale).ToArray();
        var kind = scaled[0].Type;
        if (Array.FindIndex(scaled, s => s.Type != kind) is >= 0 and var other)
            ModelFileException.Throw("scales of tensor", first.File.Path, experts.Values[other].Name, experts.Values[other].Offset, $"those for {kind}, as the others", $"those for {scaled[other].Type}", MixedAdvice);
        var rowBytes = kind.RowBytes(columns);
        return new TensorView(name, kind, shape, first.Offset, rowBytes * rows * experts.Count, (row, count, to) =>
        {
            while (count > 0)
            {
                var (expert, inExpert) = (row / rows, row % rows);
                var some = Math.Min(count, rows - inExpert);
                scaled[expert].CopyRows(inExpert, some, to);
                to += some * rowBytes;
                (row, count) = (row + some, count - some);
            }
        }, first.File.Path);
    }

    // gate_up_proj [E, 2F, H] and down_proj [E, H, F], or each with its last two sizes exchanged: told apart by the hidden size.
    private void PresentFused(List<(string Name, SafetensorsTensor Tensor)> fused)
    {
        long hidden = config.Integer("hidden_size");
        foreach (var (name, tensor) in fused)
        {
            var prefix = name[..^(name.EndsWith(Fused.GateUp, StringComparison.Ordinal) ? Fused.GateUp : Fused.Down).Length];
            var both = name.EndsWith(Fused.GateUp, StringComparison.Ordinal);
            var fours = tensor.Name.EndsWith(BlocksSuffix, StringComparison.Ordinal) ? new PackedFours(tensor, FoursScales(tensor)) : null;
            if ((fours?.Shape ?? tensor.Shape) is not [var experts, var rows, var columns] || (fours is not null && columns != hidden && both) || (fours is not null && rows != hidden && !both) || (rows != hidden && columns != hidden) || (both && (columns == hidden ? rows : columns) % 2 != 0))
            {
                ModelFileException.Throw("shape of tensor", tensor.File.Path, tensor.Name, tensor.Offset,
                    both ? $"[experts, 2 · ff, {hidden}] or [experts, {hidden}, 2 · ff]" : $"[experts, {hidden}, ff] or [experts, ff, {hidden}]",
                    $"[{string.Join(", ", fours?.Shape ?? tensor.Shape)}]", MixedAdvice);
                return;
            }
            if (fours is not null)
            {
                PresentFours(prefix, tensor, fours, both);
                continue;
            }
            var type = TypeOf(tensor);
            if (both)
            {
                // Where both readings fit the shape, the one that transformers gives these architectures.
                var straight = columns == hidden;
                var ff = (straight ? rows : columns) / 2;
                Add(Part(prefix + "ffn_gate_exps.weight", tensor, type, straight, 0, ff, hidden), tensor);
                Add(Part(prefix + "ffn_up_exps.weight", tensor, type, straight, ff, ff, hidden), tensor);
            }
            else
            {
                Add(Part(prefix + "ffn_down_exps.weight", tensor, type, rows == hidden, 0, hidden, rows == hidden ? columns : rows), tensor);
            }
        }
    }

    private void PresentFours(string prefix, SafetensorsTensor tensor, PackedFours fours, bool both)
    {
        var (experts, rows, columns) = (fours.Shape[0], fours.Shape[1], fours.Shape[2]);
        if (!both)
        {
            Add(new TensorView(prefix + "ffn_down_exps.weight", WeightType.MXFP4, fours.Shape, tensor.Offset, WeightType.MXFP4.RowBytes(experts * rows * columns), fours.CopyRows, tensor.File.Path), tensor);
            return;
        }
        var (ff, rowBytes) = (rows / 2, WeightType.MXFP4.RowBytes(columns));
        Half("ffn_gate_exps.weight", 0);
        Half("ffn_up_exps.weight", ff);

        void Half(string name, long first) => Add(new TensorView(prefix + name, WeightType.MXFP4, [experts, ff, columns], tensor.Offset, rowBytes * experts * ff, (row, count, to) =>
        {
            for (var end = row + count; row < end; row++, to += rowBytes) fours.CopyRows((row / ff * rows) + first + (row % ff), 1, to);
        }, tensor.File.Path), tensor);
    }

    private SafetensorsTensor? FoursScales(SafetensorsTensor tensor) =>
        tensor.Name.EndsWith(BlocksSuffix, StringComparison.Ordinal) ? stored.GetValueOrDefault(tensor.Name[..^BlocksSuffix.Length] + "_scales") : null;

    // Rows first … first + rows − 1 of each expert, each of `columns` weights; in the file they are rows, or columns if not straight.
    private static TensorView Part(string name, SafetensorsTensor tensor, WeightType type, bool straight, long first, long rows, long columns)
    {
        var experts = tensor.Shape[0];
        long[] shape = [experts, rows, columns];
        var (size, bytes) = (type.BlockBytes(), type.RowBytes(experts * rows * columns));
        var (stored, expertBytes) = (straight ? columns : tensor.Shape[2], tensor.Shape[1] * tensor.Shape[2] * size);
        if (straight && experts is > 0 and <= Limits.Experts)
        {
            var starts = new nint[experts];
            for (var e = 0L; e < experts; e++) starts[e] = (nint)(tensor.Data + (e * expertBytes) + (first * columns * size));
            return new TensorView(name, type, shape, tensor.Offset, bytes, starts, tensor.File.Path);
        }
        return new TensorView(name, type, shape, tensor.Offset, bytes, (row, count, to) =>
        {
            for (var end = row + count; row < end; row++)
            {
                var from = tensor.Data + (row / rows * expertBytes) + ((first + (row % rows)) * size);
                for (var c = 0L; c < columns; c++, to += size) Buffer.MemoryCopy(from + (c * stored * size), to, size, size);
            }
        }, tensor.File.Path);
    }

    private Scaled Scale(SafetensorsTensor tensor)
    {
        var scales = ScalesOf(tensor);
        if (scales is null && config.TryGet("quantization_config", out _))
        {
            ModelFileException.Throw("no scales for tensor", tensor.File.Path, tensor.Name, tensor.Offset, string.Join(" or ", ScaleSuffixes.Select(s => tensor.Name + s)), "none",
                "The model is incomplete, or scaled in a way that this runtime does not know.");
        }
        return new Scaled(tensor, scales, block);
    }

    private SafetensorsTensor? ScalesOf(SafetensorsTensor tensor) =>
        ScaleSuffixes.Select(suffix => stored.GetValueOrDefault(tensor.Name + suffix)).FirstOrDefault(scales => scales is not null);

    private static bool IsEightBits(SafetensorsTensor tensor) => tensor.Type is SafetensorsType.F8_E4M3 or SafetensorsType.F8_E5M2;

    private static WeightType TypeOf(SafetensorsTensor tensor)
    {
        switch (tensor.Type)
        {
            case SafetensorsType.F32: return WeightType.F32;
            case SafetensorsType.F16: return WeightType.F16;
            case SafetensorsType.BF16: return WeightType.BF16;
            case SafetensorsType.F64: return WeightType.F64;
            case SafetensorsType.I8: return WeightType.I8;
            case SafetensorsType.I16: return WeightType.I16;
            case SafetensorsType.I32: return WeightType.I32;
            case SafetensorsType.I64: return WeightType.I64;
            default:
                ModelFileException.Throw("type of tensor", tensor.File.Path, tensor.Name, tensor.Offset, "F32, F16, BF16, F8_E4M3 or F8_E5M2", tensor.Type.ToString(),
                    "Weights stored so are not supported yet.");
                return default;
        }
    }
}
