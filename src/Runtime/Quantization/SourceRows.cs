using WarpDecode.Formats;
using WarpDecode.Kernels;

namespace WarpDecode.Runtime.Quantization;

/// <summary>A tensor of the input as rows of FP32, read where they lie.</summary>
internal sealed unsafe class SourceRows
{
    private readonly string path;
    private readonly TensorView tensor;
    private readonly RowKernel kernel;
    private readonly bool isPlain;
    private readonly float largest;
    private readonly long rowBytes;

    /// <exception cref="QuantizeException">Its type cannot be read.</exception>
    public SourceRows(string path, TensorView tensor)
    {
        this.path = path;
        this.tensor = tensor;
        if (!Dispatch.Supports(tensor.Type))
        {
            throw new QuantizeException($"{path}: tensor {tensor} is of a type that cannot be read as numbers",
                $"This runtime reads {string.Join(", ", Dispatch.Supported)}: take the model in one of these.");
        }
        kernel = Dispatch.Rows(tensor.Type);
        isPlain = tensor.Type.BlockValues() == 1;
        largest = tensor.Type == WeightType.F16 ? (float)Half.MaxValue : float.MaxValue; // the kernel widens an infinite half to more
        Columns = tensor.Shape.Count > 0 ? tensor.Shape[^1] : 1;
        Rows = Columns > 0 ? tensor.Count / Columns : 0;
        rowBytes = tensor.Type.RowBytes(Columns);
    }

    /// <summary>Weights of a row.</summary>
    public long Columns { get; }

    /// <summary>Rows, of all experts together.</summary>
    public long Rows { get; }

    /// <summary>Reads columns <paramref name="column"/> … of a row, whole blocks.</summary>
    /// <exception cref="ModelFileException">One of them is not finite.</exception>
    public void Read(long row, long column, Span<float> to)
    {
        var start = Row(row);
        fixed (float* at = to)
        {
            if (isPlain) kernel.Widen(start + tensor.Type.RowBytes(column), at, to.Length);
            else
            {
                // By the format's definition, which kernels may differ from in the last bit.
                for (var i = 0; i < to.Length; i++) at[i] = kernel.At(start, (int)(column + i));
            }
        }
        foreach (ref readonly var x in to)
        {
            if (Math.Abs(x) <= largest) continue;
            var i = column + to.IndexOf(x);
            ModelFileException.Throw("weight of tensor", path, tensor.Name, OffsetOf(row, i), "a finite number",
                float.IsFinite(x) ? "an infinite one" : $"{x} in row {row}, column {i}", "The weights are damaged: get the file again.");
        }
    }

    /// <summary>Where a row begins.</summary>
    private byte* Row(long row) => tensor.Data + (row * rowBytes);

    private long OffsetOf(long row, long column) => tensor.Offset + (row * rowBytes) + tensor.Type.RowBytes(column / tensor.Type.BlockValues() * tensor.Type.BlockValues());
}
