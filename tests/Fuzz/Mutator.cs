using System.Buffers.Binary;

namespace WarpDecode.Fuzz;

/// <summary>Damages inputs of a format: fields, items (stretches that belong together, such as a metadata entry) and plain bytes.</summary>
internal abstract class Mutator
{
    /// <summary>Values at which comparisons and multiplications turn.</summary>
    protected static readonly ulong[] Interesting =
    [
        0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 16, 31, 32, 33, 48, 63, 64, 127, 128, 255, 256, 257, 1000, 1001, 4096, 65_535, 65_536, 65_537, 100_000_000,
        (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 1 << 26, (1 << 26) + 1, 1 << 30, int.MaxValue, 1UL << 31, uint.MaxValue, 1UL << 32, 1UL << 40, 1UL << 59, (1UL << 59) + 1,
        1UL << 60, 1UL << 61, 1UL << 62, long.MaxValue, 1UL << 63, ulong.MaxValue - 7, ulong.MaxValue,
    ];

    /// <summary>An input made of one, or of one and another, by a few changes.</summary>
    public byte[] Mutate(byte[] input, byte[] other, Random random, int longest)
    {
        var bytes = input;
        do
        {
            bytes = random.Next(8) == 0 ? ChangeBytes(bytes, random) : Change(bytes, other, random);
            if (bytes.Length > longest) bytes = bytes[..longest];
        }
        while (random.Next(3) == 0); // mostly one: each more makes it likelier that the first is never reached
        return bytes;
    }

    /// <summary>One change that knows the format.</summary>
    protected abstract byte[] Change(byte[] bytes, byte[] other, Random random);

    protected static byte[] ChangeBytes(byte[] bytes, Random random)
    {
        if (bytes.Length == 0) return [(byte)random.Next(256)];
        var at = random.Next(bytes.Length);
        switch (random.Next(5))
        {
            case 0:
                return bytes[..at];
            case 1:
                var copy = (byte[])bytes.Clone();
                copy[at] ^= (byte)(1 << random.Next(8));
                return copy;
            case 2:
                copy = (byte[])bytes.Clone();
                copy[at] = (byte)random.Next(256);
                return copy;
            case 3:
                var piece = new byte[random.Next(1, 17)];
                random.NextBytes(piece);
                return Replace(bytes, at, 0, piece);
            default:
                return Replace(bytes, at, Math.Min(random.Next(1, 17), bytes.Length - at), []);
        }
    }

    protected static byte[] Replace(byte[] bytes, int at, int length, ReadOnlySpan<byte> by) => [.. bytes.AsSpan(0, at), .. by, .. bytes.AsSpan(at + length)];

    /// <summary>An integer of 1, 2, 4 or 8 bytes, changed where it stands.</summary>
    protected static byte[] ChangeInteger(byte[] bytes, int at, int width, Random random, Func<ulong>? another = null)
    {
        var copy = (byte[])bytes.Clone();
        Span<byte> eight = stackalloc byte[8];
        eight.Clear();
        copy.AsSpan(at, width).CopyTo(eight);
        var value = BinaryPrimitives.ReadUInt64LittleEndian(eight);
        value = random.Next(6) switch
        {
            0 => value + (ulong)random.Next(1, 9),
            1 => value - (ulong)random.Next(1, 9),
            2 => value ^ (1UL << random.Next(8 * width)),
            3 when another is not null => another(),
            4 => value * 2,
            _ => Interesting[random.Next(Interesting.Length)],
        };
        BinaryPrimitives.WriteUInt64LittleEndian(eight, value);
        eight[..width].CopyTo(copy.AsSpan(at));
        return copy;
    }
}
