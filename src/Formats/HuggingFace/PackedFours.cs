namespace WarpDecode.Formats.HuggingFace;

/// <summary>
/// A stack of matrices of 4-bit floats [E, rows, columns] (OCP Microscaling Formats Specification v1.0, MXFP4), as transformers stores
/// it: codes and scales apart, two codes a byte in the order of the columns, the first in the low nibble. They are put together into
/// the blocks that GGUF has for them, whose low nibbles are the first sixteen columns.
/// <code>
/// NAME_blocks   U8 [E, rows, columns / 32, 16]
/// NAME_scales   U8 [E, rows, columns / 32]      2^(code − 127)
/// </code>
/// </summary>
internal sealed unsafe class PackedFours
{
    private const int BlockBytes = 17;
    private const string Advice = "The file is damaged, or packed in a way that this runtime does not know.";

    private readonly SafetensorsTensor blocks;
    private readonly SafetensorsTensor scales;
    private readonly long perRow;

    /// <summary>Checks that the two fit each other.</summary>
    public PackedFours(SafetensorsTensor blocks, SafetensorsTensor? scales)
    {
        if (blocks is not { Type: SafetensorsType.U8, Shape: [var experts, var rows, var count, 16] })
        {
            ModelFileException.Throw("tensor", blocks.File.Path, blocks.Name, blocks.Offset, "U8 [experts, rows, columns / 32, 16]", $"{blocks.Type} [{string.Join(", ", blocks.Shape)}]", Advice);
            return;
        }
        if (scales is null || scales.Type != SafetensorsType.U8 || !scales.Shape.AsSpan().SequenceEqual([experts, rows, count]))
        {
            ModelFileException.Throw("scales of tensor", blocks.File.Path, blocks.Name, scales?.Offset, $"U8 [{experts}, {rows}, {count}]",
                scales is null ? "none" : $"{scales.Type} [{string.Join(", ", scales.Shape)}]", Advice);
        }
        (this.blocks, this.scales, perRow) = (blocks, scales, count);
        Shape = [experts, rows, 32 * count];
    }

    /// <summary>Experts, rows, columns.</summary>
    public long[] Shape { get; } = [];

    /// <summary>Writes rows, counted over all experts, as blocks of <see cref="WeightType.MXFP4"/>.</summary>
    public void CopyRows(long row, long count, byte* to)
    {
        for (var block = row * perRow; block < (row + count) * perRow; block++, to += BlockBytes)
        {
            to[0] = scales.Data[block];
            if (to[0] == 0xFF)
                ModelFileException.Throw("scale in tensor", scales.File.Path, scales.Name, scales.Offset + block, "a number", "NaN", Advice);
            var from = blocks.Data + (16 * block);
            // Bytes 0 … 7 hold columns 0 … 15, bytes 8 … 15 the others: column i and i + 16 share byte i of the block.
            for (var i = 0; i < 16; i++)
            {
                var shift = (i & 1) * 4;
                to[1 + i] = (byte)(((from[i / 2] >> shift) & 15) | (((from[8 + (i / 2)] >> shift) & 15) << 4));
            }
        }
    }
}
