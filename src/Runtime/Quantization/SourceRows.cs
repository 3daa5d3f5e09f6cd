using WarpDecode.Formats;
using WarpDecode.Kernels;

namespace WarpDecode.Runtime.Quantization;

/// <summary>A tensor of the input as rows of FP32, read where they lie. Thread-safe.</summary>
internal sealed unsafe class SourceRows
{
    private readonly TensorView tensor;
    private readonly RowKernel kernel;
    private readonly bool isPlain;
    private readonly float largest;

    /// <param name="path">The model's path, for messages.</param>
    /// <param name="tensor">The tensor.</param>
    /// <exception cref="QuantizeException">Its type cannot be read.</exception>
    public SourceRows(string path, TensorView tensor)
    {
        this.tensor = tensor;
        Path = tensor.File ?? path;
        if (!Dispatch.Supports(tensor.Type))
        {
            throw new QuantizeException($"{Path}: tensor {tensor} is of a type that cannot be read as numbers",
                $"This runtime reads {string.Join(", ", Dispatch.Supported)}: take the model in one of these.");
        }
        kernel = Dispatch.Rows(tensor.Type);
        isPlain = tensor.Type.BlockValues() == 1;
        largest = tensor.Type == WeightType.F16 ? (float)Half.MaxValue : float.MaxValue; // the kernel widens an infinite half to more
        Columns = tensor.Shape.Count > 0 ? tensor.Shape[^1] : 1;
        Rows = Columns > 0 ? tensor.Rows : 0;
    }

    /// <summary>The file that holds the tensor.</summary>
    public string Path { get; }

    /// <summary>Weights of a row.</summary>
    public long Columns { get; }

    /// <summary>Rows, of all experts together.</summary>
    public long Rows { get; }

    /// <summary>Reads columns <paramref name="column"/> … of a row, whole blocks.</summary>
    /// <param name="row">The row, counted over all experts.</param>
    /// <param name="column">The first column.</param>
    /// <param name="to">Receives as many as it is long.</param>
    /// <param name="bytes">Room for the row as it is stored, made here if a row is not in the map.</param>
    /// <exception cref="ModelFileException">One of them is not finite.</exception>
    public void Read(long row, long column, Span<float> to, ref byte[]? bytes)
    {
        if (tensor.IsMapped)
        {
            Widen(tensor.Row(row), column, to);
        }
        else
        {
            if (bytes is null || bytes.Length < tensor.RowBytes) bytes = new byte[tensor.RowBytes];
            fixed (byte* at = bytes)
            {
                tensor.CopyRows(row, 1, at);
                Widen(at, column, to);
            }
        }
        foreach (ref readonly var x in to)
        {
            if (Math.Abs(x) <= largest) continue;
            ModelFileException.Throw("weight of tensor", Path, tensor.Name, tensor.IsMapped && tensor.PieceRows == Rows ? tensor.Offset + (row * tensor.RowBytes) : null,
                "finite numbers", $"an infinite one or none in row {row}, column {column + to.IndexOf(x)}", "The weights are damaged: get the file again.");
        }
    }

    private void Widen(byte* row, long column, Span<float> to)
    {
        fixed (float* at = to)
        {
            if (isPlain)
            {
                kernel.Widen(row + tensor.Type.RowBytes(column), at, to.Length);
                return;
            }
            // By the format's definition, which kernels may differ from in the last bit.
            for (var i = 0; i < to.Length; i++) at[i] = kernel.At(row, (int)(column + i));
        }
    }
}
