using System.Runtime.ExceptionServices;
using WarpDecode.Formats;
using WarpDecode.Formats.Quantization;

namespace WarpDecode.Runtime.Quantization;

/// <summary>
/// Encodes one tensor into a stream: in slices of 2^21 weights, whose pieces the threads share, while the slice before is written.
/// A piece is some rows, or a part of a long one, so that no row is too long.
/// </summary>
internal sealed class TensorEncoding
{
    /// <summary>Weights that a thread reads at once, at most: whole blocks of every type.</summary>
    private const int PieceValues = 1 << 16;

    private const int PieceAim = 1 << 14;
    private const int SliceValues = 1 << 21;

    private readonly SourceRows rows;
    private readonly RowEncoder encoder;
    private readonly float[]? importance;
    private readonly TensorView tensor;
    private readonly ParallelOptions parallel;
    private readonly long piecesPerRow; // of long rows; 1 otherwise
    private readonly long rowsPerPiece; // of short rows; 1 otherwise
    private readonly long pieces;
    private readonly long rowsPerExpert;

    /// <param name="rows">The weights.</param>
    /// <param name="encoder">How they are encoded.</param>
    /// <param name="importance">Importance of each expert's columns [E, H], or null.</param>
    /// <param name="tensor">The tensor, for messages and its shape.</param>
    /// <param name="threads">Threads; 0 for one a core.</param>
    public TensorEncoding(SourceRows rows, RowEncoder encoder, float[]? importance, TensorView tensor, int threads)
    {
        this.rows = rows;
        this.encoder = encoder;
        this.importance = importance;
        this.tensor = tensor;
        parallel = new ParallelOptions { MaxDegreeOfParallelism = threads > 0 ? threads : Environment.ProcessorCount };
        piecesPerRow = Math.Max(1, (rows.Columns + PieceValues - 1) / PieceValues);
        rowsPerPiece = Math.Max(1, PieceAim / Math.Max(1, rows.Columns));
        pieces = piecesPerRow > 1 ? rows.Rows * piecesPerRow : (rows.Rows + rowsPerPiece - 1) / rowsPerPiece;
        rowsPerExpert = Math.Max(1, tensor.Shape.Count > 1 ? tensor.Shape[^2] : 1);
    }

    /// <summary>Writes all of it.</summary>
    /// <param name="stream">Receives the blocks.</param>
    /// <param name="report">Hears of weights that are done.</param>
    /// <param name="cancellation">Stops it.</param>
    public void Write(Stream stream, Action<long> report, CancellationToken cancellation)
    {
        parallel.CancellationToken = cancellation;
        var piecesPerSlice = Math.Max(1, SliceValues / (int)Math.Min(PieceValues, rowsPerPiece * Math.Max(1, rows.Columns)));
        var buffers = new byte[2][];
        var writing = Task.CompletedTask;
        try
        {
            for (var first = 0L; first < pieces; first += piecesPerSlice)
            {
                var end = Math.Min(first + piecesPerSlice, pieces);
                var values = Start(end) - Start(first);
                var bytes = (int)encoder.Type.RowBytes(values); // 8 MiB at most
                var turn = (int)(first / piecesPerSlice % 2);
                if (buffers[turn] is null || buffers[turn].Length < bytes) buffers[turn] = new byte[bytes];
                Encode(first, end, buffers[turn]);
                writing.Wait(CancellationToken.None);
                var (buffer, length) = (buffers[turn], bytes);
                writing = Task.Run(() => stream.Write(buffer, 0, length), CancellationToken.None);
                report(values);
            }
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
        finally
        {
            // The stream is the caller's again when this returns, whether all went well or not.
            ((IAsyncResult)writing).AsyncWaitHandle.WaitOne();
        }
        writing.GetAwaiter().GetResult();
    }

    private void Encode(long first, long end, byte[] buffer)
    {
        var start = Start(first);
        var longest = (int)Math.Min(PieceValues, rows.Columns);
        Parallel.For(first, end, parallel, () => new Scratch(longest), (piece, _, scratch) =>
        {
            var at = Start(piece) - start;
            if (piecesPerRow > 1)
            {
                var column = piece % piecesPerRow * PieceValues;
                EncodeRow(piece / piecesPerRow, column, (int)Math.Min(PieceValues, rows.Columns - column), scratch, buffer, at);
                return scratch;
            }
            var last = Math.Min((piece + 1) * rowsPerPiece, rows.Rows);
            for (var row = piece * rowsPerPiece; row < last; row++, at += rows.Columns) EncodeRow(row, 0, longest, scratch, buffer, at);
            return scratch;
        }, _ => { });
    }

    private void EncodeRow(long row, long column, int count, Scratch scratch, byte[] buffer, long at)
    {
        var weights = scratch.Weights.AsSpan(0, count);
        rows.Read(row, column, weights, ref scratch.Stored);
        var importanceAt = importance is null ? default : importance.AsSpan((int)((row / rowsPerExpert * rows.Columns) + column), count);
        var to = buffer.AsSpan((int)encoder.Type.RowBytes(at), (int)encoder.Type.RowBytes(count));
        try
        {
            encoder.Encode(weights, importanceAt, to);
        }
        catch (WeightRangeException e)
        {
            ModelFileException.Throw($"cannot be stored as {encoder.Type}, because {e.Message}, in row {row} of tensor", rows.Path, tensor.Name,
                advice: "Quantize to BF16 or F32, or keep this tensor's type.");
        }
    }

    private sealed class Scratch(int longest)
    {
        public readonly float[] Weights = new float[longest];
        public byte[]? Stored;
    }

    // Number of the first weight of a piece.
    private long Start(long piece) => piecesPerRow > 1
        ? (piece / piecesPerRow * rows.Columns) + (piece % piecesPerRow * PieceValues)
        : Math.Min(piece * rowsPerPiece, rows.Rows) * rows.Columns;
}
