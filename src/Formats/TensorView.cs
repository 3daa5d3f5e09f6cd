namespace WarpDecode.Formats;

/// <summary>Makes rows of a tensor whose bytes no file holds as they are: it writes <paramref name="count"/> rows from <paramref name="row"/> on.</summary>
internal unsafe delegate void RowSource(long row, long count, byte* to);

/// <summary>
/// One tensor where it lies in mapped files. Nothing is copied: it points into the map and is valid until the
/// <see cref="ModelFile"/> is disposed. Its rows lie in one piece, as in a GGUF file; in several of equally many rows, where a
/// file keeps each expert apart; or nowhere, where they are made of other tensors when they are asked for
/// (<see cref="IsMapped"/> is then false).
/// </summary>
/// <remarks>Immutable and safe to use from many threads, as long as none disposes the file; afterwards its bytes throw <see cref="ObjectDisposedException"/>.</remarks>
public sealed unsafe class TensorView
{
    private readonly nint[] starts; // of each piece; none where the rows are made
    private readonly RowSource? source;
    private volatile bool isClosed;

    internal TensorView(string name, WeightType type, long[] shape, long offset, long bytes, byte* data, string? file = null)
        : this(name, type, shape, offset, bytes, [(nint)data], file)
    {
    }

    /// <summary>Rows in pieces: as many rows in each, one piece after another.</summary>
    internal TensorView(string name, WeightType type, long[] shape, long offset, long bytes, nint[] starts, string? file = null)
    {
        (Name, Type, Shape, Offset, Bytes, File) = (name, type, shape, offset, bytes, file);
        (Rows, RowBytes) = Measure(shape, bytes);
        this.starts = starts;
        if (starts.Length == 0 || Rows % starts.Length != 0)
            throw new ArgumentException($"{Rows} rows are not a whole number in each of {starts.Length} pieces", nameof(starts));
        PieceRows = Rows / starts.Length;
        var apart = PieceRows * RowBytes;
        var i = 1;
        while (i < starts.Length && starts[i] == starts[i - 1] + (nint)apart) i++;
        if (i < starts.Length) return;
        this.starts = [starts[0]];
        PieceRows = Rows;
    }

    /// <summary>Rows that are made when they are asked for.</summary>
    internal TensorView(string name, WeightType type, long[] shape, long offset, long bytes, RowSource source, string? file = null)
    {
        (Name, Type, Shape, Offset, Bytes, File) = (name, type, shape, offset, bytes, file);
        (Rows, RowBytes) = Measure(shape, bytes);
        this.source = source;
        starts = [];
    }

    /// <summary>Name in the vocabulary of GGUF, for example <c>blk.0.ffn_gate_exps.weight</c>.</summary>
    public string Name { get; }

    /// <summary>How the weights are stored.</summary>
    public WeightType Type { get; }

    /// <summary>Sizes, outermost first (rows × columns), the last one contiguous: experts are [E, F, H].</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Byte offset of the first weight from the start of its file.</summary>
    public long Offset { get; }

    /// <summary>Bytes that the tensor takes.</summary>
    public long Bytes { get; }

    /// <summary>The file that holds it (the first expert's), or null where that is the model's only one.</summary>
    public string? File { get; }

    /// <summary>Rows over all experts; 1 for vectors.</summary>
    public long Rows { get; }

    /// <summary>Bytes of a row.</summary>
    public long RowBytes { get; }

    /// <summary>Whether the rows lie in a map, in one piece or several.</summary>
    internal bool IsMapped => source is null;

    /// <summary>Rows of a piece, which lie one after another; 0 if the rows are made.</summary>
    internal long PieceRows { get; }

    /// <summary>Address of the first byte in the memory map.</summary>
    /// <exception cref="InvalidOperationException">The tensor is not in one piece there: <see cref="CopyRows(long, long, Span{byte})"/> gives its bytes.</exception>
    internal byte* Data
    {
        get
        {
            CheckOpen();
            return starts.Length == 1 ? (byte*)starts[0] : throw new InvalidOperationException($"{this} does not lie in one piece");
        }
    }

    /// <summary>Number of weights.</summary>
    public long Count
    {
        get
        {
            var count = 1L;
            foreach (var size in Shape) count *= size;
            return count;
        }
    }

    /// <summary>Copies rows, as they are stored, wherever they lie, one after another.</summary>
    /// <param name="row">The first, counted over all experts: of [E, F, H], row f of expert e is e·F + f.</param>
    /// <param name="count">How many.</param>
    /// <param name="to">Room for their bytes, <see cref="RowBytes"/> of each.</param>
    /// <exception cref="ArgumentException">There are not so many rows, or there is not so much room.</exception>
    /// <exception cref="ModelFileException">Rows that are made of other tensors cannot be, because what these hold is damaged.</exception>
    /// <exception cref="ObjectDisposedException">The file was disposed.</exception>
    public void CopyRows(long row, long count, Span<byte> to)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if ((Int128)count * RowBytes > to.Length) throw new ArgumentException($"{count} rows of {RowBytes} bytes do not fit into {to.Length} bytes", nameof(to));
        fixed (byte* start = to) CopyRows(row, count, start);
    }

    /// <inheritdoc cref="CopyRows(long, long, Span{byte})"/>
    internal void CopyRows(long row, long count, byte* to)
    {
        CheckOpen();
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Rows - row);
        if (source is not null)
        {
            source(row, count, to);
            return;
        }
        while (count > 0)
        {
            var rows = Math.Min(count, PieceRows - (row % PieceRows));
            Buffer.MemoryCopy(Row(row), to, rows * RowBytes, rows * RowBytes);
            to += rows * RowBytes;
            (row, count) = (row + rows, count - rows);
        }
    }

    /// <summary>Name, type and shape for error messages: <c>blk.0.attn_q.weight Q8_0 [256, 256]</c>.</summary>
    public override string ToString() => $"{ModelFileException.Printable(Name)} {Type} [{string.Join(", ", Shape)}]";

    /// <summary>Address of a row, counted over all experts; up to the end of its piece others follow it.</summary>
    internal byte* Row(long row) => (byte*)starts[(int)(row / PieceRows)] + (row % PieceRows * RowBytes);

    /// <summary>The same weights in another order: row i is this one's row <paramref name="order"/>[i].</summary>
    internal TensorView Reordered(int[] order)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(order.Length, Rows);
        long[] shape = [.. Shape];
        if (source is null)
        {
            var rows = new nint[order.Length];
            for (var i = 0; i < rows.Length; i++) rows[i] = (nint)Row(order[i]);
            return new TensorView(Name, Type, shape, Offset, Bytes, rows, File);
        }
        return new TensorView(Name, Type, shape, Offset, Bytes, (row, count, to) =>
        {
            for (var i = 0L; i < count; i++) source(order[row + i], 1, to + (i * RowBytes));
        }, File);
    }

    /// <summary>The memory that it points to is about to go.</summary>
    internal void Close() => isClosed = true;

    private void CheckOpen() => ObjectDisposedException.ThrowIf(isClosed, typeof(ModelFile));

    private static (long Rows, long RowBytes) Measure(long[] shape, long bytes)
    {
        var rows = 1L;
        for (var i = 0; i < shape.Length - 1; i++) rows *= shape[i];
        return (rows, rows == 0 ? 0 : bytes / rows);
    }
}
