using System.Runtime.CompilerServices;
using WarpDecode.Formats.Blocks;

namespace WarpDecode.Formats.HuggingFace;

/// <summary>
/// A matrix of 8-bit floats [rows, columns] with its scales in a tensor of their own. They are put together into blocks that hold both:
/// <code>
/// weight_scale_inv, weight_scale    one number; [rows, 1]; or one for each block of weight_block_size: weight = code · scale
/// weight_scale of E8M0 or U8        [rows, columns / 32]: a power of two for each 32 columns (MXFP8)
/// </code>
/// The scale of (r, c) is that at [r / blockRows, c / blockColumns]: blocks at the lower and right edges are shorter, their scales in
/// place (DeepSeek-V3 Technical Report, section 3.3; not spread evenly). Rows that blocks of 128 do not divide become FP32.
/// </summary>
internal sealed unsafe class Scaled
{
    private const string Advice = "The file is damaged, or scaled in a way that this runtime does not know.";

    private readonly SafetensorsTensor codes;
    private readonly SafetensorsTensor? scales;
    private readonly int columns;
    private readonly long blockRows;
    private readonly long blockColumns;
    private readonly long scaleColumns;

    /// <summary>Checks that the two fit each other.</summary>
    /// <param name="codes">Weights of type F8_E4M3 or F8_E5M2 [rows, columns].</param>
    /// <param name="scales">Their scales; null for 1.</param>
    /// <param name="block">Rows and columns of a block, where the config states them.</param>
    public Scaled(SafetensorsTensor codes, SafetensorsTensor? scales, (int Rows, int Columns)? block)
    {
        (this.codes, this.scales) = (codes, scales);
        if (codes.Shape is not [var rows, var wide] || wide > int.MaxValue || rows == 0 || wide == 0)
        {
            Fail(codes, "shape of tensor", "[rows, columns]", Shape(codes));
            return;
        }
        columns = (int)wide;
        var four = codes.Type == SafetensorsType.F8_E4M3;
        if (scales is { Type: SafetensorsType.F8_E8M0 or SafetensorsType.U8 })
        {
            if (!four || columns % 32 != 0 || scales.Shape is not [var r, var c] || r != rows || c != columns / 32)
                Fail(scales, "shape of tensor", $"[{rows}, {columns} / 32], for weights of F8_E4M3", $"{Shape(scales)} for {codes.Type}");
            (blockRows, blockColumns, scaleColumns) = (1, 32, columns / 32);
            Type = WeightType.MXFP8;
            return;
        }
        if (scales is not null) (blockRows, blockColumns) = BlockOf(rows, block);
        else (blockRows, blockColumns) = (rows, columns);
        scaleColumns = Blocks(columns, blockColumns);
        var whole = columns % FP8_E4M3.Width == 0 && (blockColumns % FP8_E4M3.Width == 0 || scaleColumns == 1);
        Type = !whole ? WeightType.F32 : four ? WeightType.FP8_E4M3 : WeightType.FP8_E5M2;
    }

    /// <summary>What rows are made of.</summary>
    public WeightType Type { get; }

    /// <summary>Writes rows of <see cref="Type"/>.</summary>
    public void CopyRows(long row, long count, byte* to)
    {
        for (var end = row + count; row < end; row++, to += Type.RowBytes(columns))
        {
            var from = codes.Data + (row * columns);
            CheckCodes(row, new ReadOnlySpan<byte>(from, columns));
            if (Type == WeightType.MXFP8) CopyPowers(row, from, to);
            else if (Type == WeightType.F32) Widen(row, from, (float*)to);
            else CopyScaled(row, from, to);
        }
    }

    private void CopyPowers(long row, byte* from, byte* to)
    {
        for (var block = 0; block < columns / 32; block++, from += 32, to += MXFP8.Bytes)
        {
            to[0] = scales!.Data[(row * scaleColumns) + block];
            if (to[0] == 0xFF) Fail(scales, "scale", "a number", "NaN", scales.Offset + (row * scaleColumns) + block);
            Unsafe.CopyBlockUnaligned(to + 1, from, 32);
        }
    }

    private void CopyScaled(long row, byte* from, byte* to)
    {
        for (var column = 0; column < columns; column += FP8_E4M3.Width, from += FP8_E4M3.Width, to += FP8_E4M3.Bytes)
        {
            *(float*)to = ScaleAt(row, column);
            Unsafe.CopyBlockUnaligned(to + sizeof(float), from, FP8_E4M3.Width);
        }
    }

    private void Widen(long row, byte* from, float* to)
    {
        for (var column = 0; column < columns; column++)
            to[column] = (codes.Type == SafetensorsType.F8_E4M3 ? FP8_E4M3.ToSingle(from[column]) : FP8_E5M2.ToSingle(from[column])) * ScaleAt(row, column);
    }

    private float ScaleAt(long row, int column)
    {
        if (scales is null) return 1;
        var index = ((row / blockRows) * scaleColumns) + (column / blockColumns);
        var scale = scales.Type switch
        {
            SafetensorsType.F32 => Unsafe.ReadUnaligned<float>(scales.Data + (4 * index)),
            SafetensorsType.BF16 => BitConverter.Int32BitsToSingle(Unsafe.ReadUnaligned<ushort>(scales.Data + (2 * index)) << 16),
            _ => F16.ToSingle(Unsafe.ReadUnaligned<ushort>(scales.Data + (2 * index))),
        };
        if (!float.IsFinite(scale)) Fail(scales, "scale", "a finite number", scale.ToString(), scales.Offset + (index * (scales.Bytes / Math.Max(1, Count(scales)))));
        return scale;
    }

    private (long Rows, long Columns) BlockOf(long rows, (int Rows, int Columns)? block)
    {
        if (scales!.Type is not (SafetensorsType.F32 or SafetensorsType.BF16 or SafetensorsType.F16))
            Fail(scales, "type of tensor", "F32, BF16 or F16; or F8_E8M0 for each 32 columns", scales.Type.ToString());
        if (Count(scales) == 1) return (rows, columns);
        if (scales.Shape is [var r, 1] && r == rows) return (1, columns);
        if (scales.Shape is [var only] && only == rows) return (1, columns);
        if (block is { } size && scales.Shape is [var down, var across] && down == Blocks(rows, size.Rows) && across == Blocks(columns, size.Columns))
            return (size.Rows, size.Columns);
        Fail(scales, "shape of tensor", $"one scale, one a row, or one for each block of {(block is { } b ? $"{b.Rows} × {b.Columns}" : "weight_block_size, which config.json does not state,")} of {Shape(codes)}", Shape(scales));
        return default;
    }

    private void CheckCodes(long row, ReadOnlySpan<byte> bytes)
    {
        var wrong = codes.Type == SafetensorsType.F8_E4M3 ? bytes.IndexOfAny((byte)0x7F, (byte)0xFF) : IndexOfSpecial(bytes);
        if (wrong >= 0) Fail(codes, "weight", "a finite number", $"code {bytes[wrong]:X2}", codes.Offset + (row * columns) + wrong);
    }

    // Of E5M2: infinities and NaN.
    private static int IndexOfSpecial(ReadOnlySpan<byte> bytes)
    {
        var low = bytes.IndexOfAnyInRange((byte)0x7C, (byte)0x7F);
        return low >= 0 ? low : bytes.IndexOfAnyInRange((byte)0xFC, (byte)0xFF);
    }

    private static long Blocks(long size, long block) => (size + block - 1) / block;

    private static long Count(SafetensorsTensor tensor) => tensor.Shape.Aggregate(1L, (a, b) => a * b);

    private static string Shape(SafetensorsTensor tensor) => $"[{string.Join(", ", tensor.Shape)}]";

    private static void Fail(SafetensorsTensor tensor, string what, string expected, string found, long? offset = null) =>
        ModelFileException.Throw(what is "scale" or "weight" ? $"{what} in tensor" : what, tensor.File.Path, tensor.Name, offset ?? tensor.Offset, expected, found, Advice);
}
