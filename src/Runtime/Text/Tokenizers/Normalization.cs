using System.Globalization;
using System.Text;

namespace WarpDecode.Runtime.Text.Tokenizers;

/// <summary>Unicode's four normal forms.</summary>
internal enum NormalForm : byte
{
    C,
    D,
    KC,
    KD,
}

/// <summary>
/// Unicode normalization (UAX 15). Our own because the runtime is built without ICU's data, and string.Normalize then gives text back as
/// it is. The data are read from a resource at the first text that may need them.
/// </summary>
internal static class Normalization
{
    private const int HangulFirst = 0xAC00, Leads = 0x1100, Vowels = 0x1161, Trails = 0x11A7, VowelCount = 21, TrailCount = 28, HangulCount = 11172;

    /// <summary>Whether a text may differ from its normal form; false for most text at a glance.</summary>
    public static bool MayChange(ReadOnlySpan<char> text, NormalForm form)
    {
        // Below these nothing composes, and nothing decomposes.
        var first = text.IndexOfAnyExceptInRange('\0', form switch { NormalForm.C => '\u02FF', NormalForm.D => '\u00BF', _ => '\u009F' });
        if (first < 0) return false;
        for (var at = first; at < text.Length;)
        {
            Rune.DecodeFromUtf16(text[at..], out var rune, out var length);
            if (Data.Instance.Suspect(rune.Value, form)) return true;
            at += length;
        }
        return false;
    }

    public static string Normalize(ReadOnlySpan<char> text, NormalForm form)
    {
        if (!MayChange(text, form)) return text.ToString();
        var data = Data.Instance;
        var compatible = form is NormalForm.KC or NormalForm.KD;
        var points = new List<int>(text.Length + 16);
        foreach (var rune in text.EnumerateRunes()) data.Decompose(rune.Value, compatible, points); // lone surrogates become U+FFFD
        Order(points, data);
        if (form is NormalForm.C or NormalForm.KC) Compose(points, data);
        var result = new StringBuilder(points.Count);
        Span<char> room = stackalloc char[2];
        foreach (var point in points) result.Append(room[..new Rune(point).EncodeToUtf16(room)]);
        return result.ToString();
    }

    /// <summary>Class by which marks after one character are ordered; 0 for what is no such mark.</summary>
    public static int CombiningClass(int point) => Data.Instance.Class(point);

    // Runs of marks in the order of their classes, equal ones as they came. A sort with a bound, for runs of a megabyte.
    private static void Order(List<int> points, Data data)
    {
        for (var at = 0; at < points.Count; at++)
        {
            if (data.Class(points[at]) == 0) continue;
            var end = at + 1;
            while (end < points.Count && data.Class(points[end]) != 0) end++;
            if (end - at > 1)
            {
                var keys = new long[end - at];
                var marks = new int[end - at];
                for (var i = 0; i < keys.Length; i++)
                {
                    marks[i] = points[at + i];
                    keys[i] = ((long)data.Class(marks[i]) << 32) | (uint)i;
                }
                Array.Sort(keys, marks);
                for (var i = 0; i < marks.Length; i++) points[at + i] = marks[i];
            }
            at = end - 1;
        }
    }

    private static void Compose(List<int> points, Data data)
    {
        var (starter, last, to) = (-1, 0, 0); // last: class of the mark kept last after the starter
        for (var at = 0; at < points.Count; at++)
        {
            var point = points[at];
            var kind = data.Class(point);
            if (starter >= 0 && (to == starter + 1 || (last < kind && last != 0)) && data.Composite(points[starter], point) is >= 0 and var composite)
            {
                points[starter] = composite;
                continue;
            }
            if (kind == 0) starter = to;
            last = kind;
            points[to++] = point;
        }
        points.RemoveRange(to, points.Count - to);
    }

    private sealed class Data
    {
        private static readonly Lazy<Data> Lazy = new(Read);
        private readonly Dictionary<int, int[]> canonical = [];
        private readonly Dictionary<int, int[]> compatible = [];
        private readonly Dictionary<long, int> composites = [];
        private readonly Dictionary<int, byte> classes = [];
        private readonly HashSet<int> second = []; // what may compose with a character before it

        public static Data Instance => Lazy.Value;

        public int Class(int point) => point < 0x300 ? 0 : classes.GetValueOrDefault(point);

        public bool Suspect(int point, NormalForm form)
        {
            if (point < 0xA0) return false;
            var hangul = point is >= HangulFirst and < HangulFirst + HangulCount;
            if (classes.ContainsKey(point) || (form is NormalForm.KC or NormalForm.KD && compatible.ContainsKey(point))) return true;
            if (form is NormalForm.D or NormalForm.KD) return hangul || canonical.ContainsKey(point);
            return second.Contains(point) || point is (>= Vowels and < Vowels + VowelCount) or (> Trails and < Trails + TrailCount)
                || (canonical.TryGetValue(point, out var parts) && !Recomposes(parts, point));
        }

        public void Decompose(int point, bool compatibly, List<int> to)
        {
            if (point is >= HangulFirst and < HangulFirst + HangulCount)
            {
                var s = point - HangulFirst;
                to.Add(Leads + (s / (VowelCount * TrailCount)));
                to.Add(Vowels + (s % (VowelCount * TrailCount) / TrailCount));
                if (s % TrailCount != 0) to.Add(Trails + (s % TrailCount));
            }
            else if (point >= 0xA0 && ((compatibly && compatible.TryGetValue(point, out var parts)) || canonical.TryGetValue(point, out parts)))
            {
                to.AddRange(parts);
            }
            else
            {
                to.Add(point);
            }
        }

        public int Composite(int first, int next)
        {
            if (first is >= Leads and < Leads + 19 && next is >= Vowels and < Vowels + VowelCount)
                return HangulFirst + ((((first - Leads) * VowelCount) + next - Vowels) * TrailCount);
            if (first is >= HangulFirst and < HangulFirst + HangulCount && (first - HangulFirst) % TrailCount == 0 && next is > Trails and < Trails + TrailCount)
                return first + next - Trails;
            return composites.TryGetValue(((long)first << 32) | (uint)next, out var composite) ? composite : -1;
        }

        // Whether composing what it decomposes to gives it back: so with all but the characters excluded from composition.
        private bool Recomposes(int[] parts, int point)
        {
            var list = new List<int>(parts);
            Compose(list, this);
            return list.Count == 1 && list[0] == point;
        }

        private static Data Read()
        {
            var data = new Data();
            using var stream = typeof(Normalization).Assembly.GetManifestResourceStream("normalization.txt")!;
            using var reader = new StreamReader(stream, Encoding.ASCII);
            while (reader.ReadLine() is { } line)
            {
                if (line.StartsWith('#')) continue;
                var numbers = Array.ConvertAll(line[2..].Split(' '), n => int.Parse(n, NumberStyles.HexNumber, CultureInfo.InvariantCulture));
                switch (line[0])
                {
                    case 'D': data.canonical.Add(numbers[0], numbers[1..]); break;
                    case 'K': data.compatible.Add(numbers[0], numbers[1..]); break;
                    case 'C':
                        data.composites.Add(((long)numbers[0] << 32) | (uint)numbers[1], numbers[2]);
                        data.second.Add(numbers[1]);
                        break;
                    default:
                        for (var point = numbers[0]; point <= numbers[1]; point++) data.classes.Add(point, (byte)numbers[2]);
                        break;
                }
            }
            return data;
        }
    }
}
