using WarpDecode.Formats;
using WarpDecode.Kernels;

namespace WarpDecode.Runtime;

/// <summary>
/// Gives a model its weights: each tensor is asked for once, by name and expected shape, and a file that holds tensors nobody
/// asked for is refused, since a bias or scale left out would change the results without a sign.
/// </summary>
internal sealed class WeightBinder(ModelFile file, IBackend backend)
{
    private readonly HashSet<string> bound = new(StringComparer.Ordinal);

    /// <summary>Called with each matrix before it is bound, for progress.</summary>
    public Action<TensorView>? Binding { get; init; }

    /// <summary>Called with each tensor after it was bound, for progress.</summary>
    public Action<TensorView>? Bound { get; init; }

    /// <summary>A matrix [rows, columns].</summary>
    public Weight Matrix(string name, int rows, int columns) => Load(Require(name, rows, columns));

    /// <summary>
    /// A matrix [heads · headDim, columns] of queries or keys whose rows the file orders for rope on neighbours, in the order of halves,
    /// which the kernels turn. Rows are moved whole, so that this is exact for every type.
    /// </summary>
    public Weight TurnedMatrix(string name, int heads, int headDim, int columns)
    {
        var view = Require(name, heads * headDim, columns);
        return Load(view.Reordered(RopeOrder.ToHalves(heads, headDim)));
    }

    /// <summary>A matrix, or null if the file has none of that name.</summary>
    public Weight? OptionalMatrix(string name, int rows, int columns) => file.Find(name) is null ? null : Matrix(name, rows, columns);

    /// <summary>A stack of matrices [experts, rows, columns].</summary>
    public Weight Stack(string name, int experts, int rows, int columns) => Load(Require(name, experts, rows, columns));

    /// <summary>
    /// Two stacks of matrices [experts, rows, columns] that are read together in one pass, row beside row, and so must be of one type.
    /// </summary>
    public (Weight First, Weight Second) Stacks(string first, string second, int experts, int rows, int columns)
    {
        var (a, b) = (Require(first, experts, rows, columns), Require(second, experts, rows, columns));
        if (a.Type != b.Type)
        {
            ModelFileException.Throw("type of tensor", PathOf(b), second, b.Offset, $"{a.Type}, as '{first}' is", b.Type.ToString(),
                "The two are computed together and must be of one type: quantize the model again with the same type for both.");
        }
        return (Load(a), Load(b));
    }

    /// <summary>A vector [length], widened to FP32.</summary>
    public Tensor Vector(string name, int length)
    {
        var view = Require(name, length);
        if (!Dispatch.Supports(view.Type) || view.Type.BlockValues() > 1)
            ModelFileException.Throw("type of tensor", PathOf(view), name, view.Offset, "a type of plain numbers, such as F32", view.Type.ToString());
        var vector = backend.LoadVector(view);
        Bound?.Invoke(view);
        return vector;
    }

    /// <summary>A vector that the architecture computes itself.</summary>
    public Tensor Constant(ReadOnlySpan<float> values) => backend.Upload(values);

    /// <summary>Refuses the file if tensors are left that the architecture does not know.</summary>
    public void Finish()
    {
        var left = file.Tensors.Where(t => !bound.Contains(t.Name)).ToList();
        if (left.Count == 0) return;
        ModelFileException.Throw($"{left.Count} tensors that this architecture does not use, the first is", PathOf(left[0]), left[0].Name,
            left[0].Offset, advice: "Leaving weights out would give wrong answers. The model is a variant that this runtime does not know yet.");
    }

    private string PathOf(TensorView view) => view.File ?? file.Path;

    private TensorView Require(string name, params ReadOnlySpan<int> shape)
    {
        var view = file.Find(name);
        if (view is null)
            ModelFileException.Throw("has no tensor", file.Path, name, advice: "The file is incomplete or of another architecture: download or convert it again.");
        var same = view.Shape.Count == shape.Length;
        for (var i = 0; same && i < shape.Length; i++) same = view.Shape[i] == shape[i];
        if (!same)
        {
            ModelFileException.Throw("shape of tensor", PathOf(view), name, view.Offset, $"[{string.Join(", ", shape.ToArray())}]",
                $"[{string.Join(", ", view.Shape)}]", "The metadata and the tensors do not fit each other: download or convert the file again.");
        }
        bound.Add(name);
        return view;
    }

    private Weight Load(TensorView view)
    {
        if (!Dispatch.Supports(view.Type))
        {
            ModelFileException.Throw("type of tensor", PathOf(view), view.Name, view.Offset, string.Join(", ", Dispatch.Supported), view.Type.ToString(),
                "This weight type cannot be computed with yet: use a file of the types named.");
        }
        Binding?.Invoke(view);
        var weight = backend.Load(view);
        Bound?.Invoke(view);
        return weight;
    }
}
