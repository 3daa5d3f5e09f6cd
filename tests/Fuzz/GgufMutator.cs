using System.Buffers.Binary;

namespace WarpDecode.Fuzz;

/// <summary>Knows where GGUF's counts, lengths, types, sizes and offsets stand, and which bytes make an entry or a tensor.</summary>
internal sealed class GgufMutator : Mutator
{
    private const int TensorCountAt = 8;
    private const int EntryCountAt = 16;

    private static readonly uint[] WeightTypes = [.. Enumerable.Range(0, 44).Select(i => (uint)i), 100, uint.MaxValue];

    private enum Kind
    {
        Number, // count, length, size, offset or scalar
        ValueType,
        WeightType,
    }

    private readonly record struct Field(int At, int Width, Kind Kind);

    /// <summary>A stretch that can be doubled, left out or moved; which count speaks of it.</summary>
    private readonly record struct Item(int Start, int End, int CountAt);

    protected override byte[] Change(byte[] bytes, byte[] other, Random random)
    {
        var (fields, items) = Scan(bytes);
        if (fields.Count == 0) return ChangeBytes(bytes, random);
        var field = fields[random.Next(fields.Count)];
        switch (random.Next(10))
        {
            case 0 or 1 or 2 or 3:
                return field.Kind switch
                {
                    Kind.ValueType => Set32(bytes, field.At, (uint)random.Next(15)),
                    Kind.WeightType => Set32(bytes, field.At, WeightTypes[random.Next(WeightTypes.Length)]),
                    _ => ChangeInteger(bytes, field.At, field.Width, random, () => Any(bytes, fields, random)),
                };
            case 4: // cut at a field, or within it
                return bytes[..(field.At + random.Next(field.Width + 1))];
            case 5: // the end moves
                return random.Next(2) == 0 ? [.. bytes, .. new byte[random.Next(1, 512)]] : bytes[..Math.Max(0, bytes.Length - random.Next(1, 64))];
            case 6 when items.Count > 0: // an item twice
                var item = items[random.Next(items.Count)];
                var place = items[random.Next(items.Count)].Start;
                return Count(Replace(bytes, place, 0, bytes.AsSpan(item.Start, item.End - item.Start)), item.CountAt, 1, random);
            case 7 when items.Count > 0: // an item less
                item = items[random.Next(items.Count)];
                return Count(Replace(bytes, item.Start, item.End - item.Start, []), item.CountAt, -1, random);
            case 8 when items.Count > 1: // an item in the place of another
                var (from, to) = (items[random.Next(items.Count)], items[random.Next(items.Count)]);
                return Replace(bytes, to.Start, to.End - to.Start, bytes.AsSpan(from.Start, from.End - from.Start));
            case 9: // the end of another file
                var (_, others) = Scan(other);
                if (items.Count == 0 || others.Count == 0) return ChangeBytes(bytes, random);
                return [.. bytes[..items[random.Next(items.Count)].Start], .. other[others[random.Next(others.Count)].Start..]];
            default:
                return ChangeInteger(bytes, field.At, field.Width, random);
        }
    }

    private static ulong Any(byte[] bytes, List<Field> fields, Random random)
    {
        var field = fields[random.Next(fields.Count)];
        Span<byte> eight = stackalloc byte[8];
        eight.Clear();
        bytes.AsSpan(field.At, field.Width).CopyTo(eight);
        return BinaryPrimitives.ReadUInt64LittleEndian(eight);
    }

    private static byte[] Set32(byte[] bytes, int at, uint value)
    {
        var copy = (byte[])bytes.Clone();
        BinaryPrimitives.WriteUInt32LittleEndian(copy.AsSpan(at), value);
        return copy;
    }

    // Mostly the count is made to fit, or else little but wrong counts would be tested.
    private static byte[] Count(byte[] bytes, int at, int change, Random random)
    {
        if (random.Next(4) == 0) return bytes;
        var span = bytes.AsSpan(at);
        BinaryPrimitives.WriteInt64LittleEndian(span, BinaryPrimitives.ReadInt64LittleEndian(span) + change);
        return bytes;
    }

    // Reads as far as the bytes make sense, by rules of its own: it must not share the parser's faults.
    private static (List<Field> Fields, List<Item> Items) Scan(byte[] bytes)
    {
        var (fields, items) = (new List<Field>(), new List<Item>());
        var at = 0;
        if (!Take(4, Kind.Number, out _) || !Take(4, Kind.Number, out _) || !Take(8, Kind.Number, out var tensors) || !Take(8, Kind.Number, out var entries)) return (fields, items);
        for (var i = 0UL; i < entries; i++)
        {
            var start = at;
            if (!Text() || !Take(4, Kind.ValueType, out var type) || !Value(type, 0)) return (fields, items);
            items.Add(new Item(start, at, EntryCountAt));
        }
        for (var i = 0UL; i < tensors; i++)
        {
            var start = at;
            if (!Text() || !Take(4, Kind.Number, out var dimensions) || dimensions > 64) return (fields, items);
            for (var d = 0UL; d < dimensions; d++)
            {
                if (!Take(8, Kind.Number, out _)) return (fields, items);
            }
            if (!Take(4, Kind.WeightType, out _) || !Take(8, Kind.Number, out _)) return (fields, items);
            items.Add(new Item(start, at, TensorCountAt));
        }
        return (fields, items);

        bool Take(int width, Kind kind, out ulong value)
        {
            value = 0;
            if (at > bytes.Length - width) return false;
            Span<byte> eight = stackalloc byte[8];
            eight.Clear();
            bytes.AsSpan(at, width).CopyTo(eight);
            value = BinaryPrimitives.ReadUInt64LittleEndian(eight);
            fields.Add(new Field(at, width, kind));
            at += width;
            return true;
        }

        bool Text()
        {
            if (!Take(8, Kind.Number, out var length) || length > (ulong)(bytes.Length - at)) return false;
            at += (int)length;
            return true;
        }

        bool Value(ulong type, int depth)
        {
            if (type == 8) return Text();
            if (type != 9) return type <= 12 && Take(type switch { 0 or 1 or 7 => 1, 2 or 3 => 2, 10 or 11 or 12 => 8, _ => 4 }, Kind.Number, out _);
            if (depth == 8 || !Take(4, Kind.ValueType, out var element) || !Take(8, Kind.Number, out var count)) return false;
            for (var i = 0UL; i < count && i < 4096; i++)
            {
                if (!Value(element, depth + 1)) return false;
            }
            return count <= 4096;
        }
    }
}
