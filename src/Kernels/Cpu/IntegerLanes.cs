using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace WarpDecode.Kernels.Cpu;

/// <summary>
/// Integer products of 32 weights of each of two rows with the same 32 activations: sixteen sums of four neighbours, those of the
/// first row in lanes 0 … 7, as FP32 (they are below 2²⁴, so nothing is lost). All widths give the same numbers.
/// </summary>
/// <typeparam name="W">Registers of 2 × 32 integer weights.</typeparam>
/// <typeparam name="F">Registers of sixteen FP32 lanes.</typeparam>
internal unsafe interface IIntegerLanes<W, F>
    where W : struct
    where F : struct
{
    /// <summary>Joins weights 0–15 and 16–31 of rows a and b; they are 0 … 63 if <paramref name="unsigned"/>, else signed bytes.</summary>
    static abstract W Join(Vector128<sbyte> a0, Vector128<sbyte> a1, Vector128<sbyte> b0, Vector128<sbyte> b1, bool unsigned);

    /// <summary>The sums. <paramref name="corrections"/> as <see cref="Integers.Corrections"/> wrote them for these activations.</summary>
    static abstract F Dot(W weights, sbyte* x, int* corrections, bool unsigned);

    /// <summary>Lanes 0 … 7 a, 8 … 15 b.</summary>
    static abstract F Halves(float a, float b);

    /// <summary>Lanes 0 … 3 a[0], 4 … 7 a[1], 8 … 11 b[0], 12 … 15 b[1].</summary>
    static abstract F Quarters(float* a, float* b);

    /// <summary>Sums of the two halves, each 8 → 4 → 2 → 1.</summary>
    static abstract void Sums(F value, float* a, float* b);
}

/// <summary>Two registers of 32 signed bytes, a row each; without a constructor, as <see cref="Pair256"/>.</summary>
internal struct Bytes256
{
    public Vector256<sbyte> A;
    public Vector256<sbyte> B;
}

/// <summary>Four registers of 16 signed bytes, two a row.</summary>
internal struct Bytes128
{
    public Vector128<sbyte> A0;
    public Vector128<sbyte> A1;
    public Vector128<sbyte> B0;
    public Vector128<sbyte> B1;
}

/// <summary>Sums of four neighbouring byte products, by the instructions that there are.</summary>
internal static unsafe class Integers
{
    /// <summary>
    /// Whether weights are made unsigned by adding 128: the instruction multiplies unsigned with signed bytes. What that adds to a sum,
    /// 128 times that of its activations, it starts with the negative of.
    /// </summary>
    public static bool AddsBias
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => AvxVnni.IsSupported;
    }

    /// <summary>Writes −128 · (sum of four neighbours) for <paramref name="count"/> activations, where sums need it [count / 4].</summary>
    public static void Corrections(sbyte* x, int* to, int count)
    {
        if (!AvxVnni.IsSupported) return;
        for (var i = 0; i < count; i += 32)
            (-AvxVnni.MultiplyWideningAndAdd(Vector256<int>.Zero, Vector256.Create((byte)128), Vector256.Load(x + i))).Store(to + (i / 4));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<sbyte> Join(Vector128<sbyte> low, Vector128<sbyte> high, bool unsigned)
    {
        var all = Vector256.Create(low, high);
        return AddsBias && !unsigned ? all ^ Vector256.Create(unchecked((sbyte)0x80)) : all;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Dot(Vector256<sbyte> weights, sbyte* x, int* corrections, bool unsigned)
    {
        if (!AvxVnni.IsSupported) return DotAvx2(weights, Vector256.Load(x), unsigned);
        return AvxVnni.MultiplyWideningAndAdd(unsigned ? Vector256<int>.Zero : Vector256.Load(corrections), weights.AsByte(), Vector256.Load(x));
    }

    /// <summary>The same without the instruction: |w| times x with the sign of w, in 16 bits, which 2 · 128 · 127 does not leave.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> DotAvx2(Vector256<sbyte> weights, Vector256<sbyte> x, bool unsigned)
    {
        var pairs = unsigned
            ? Avx2.MultiplyAddAdjacent(weights.AsByte(), x)
            : Avx2.MultiplyAddAdjacent(Avx2.Abs(weights), Avx2.Sign(x, weights));
        return Avx2.MultiplyAddAdjacent(pairs, Vector256<short>.One);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Dot(Vector128<sbyte> weights, Vector128<sbyte> x)
    {
        if (Dp.IsSupported) return Dp.DotProduct(Vector128<int>.Zero, weights, x);
        return DotPortable(weights, x);
    }

    /// <summary>The same in operations that every machine has.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> DotPortable(Vector128<sbyte> weights, Vector128<sbyte> x)
    {
        // Products fit 16 bits (128 · 127). Neighbours are added within 32 bits, then within 64, whose lower halves are what is asked.
        var low = AddNeighbours(Vector128.WidenLower(weights) * Vector128.WidenLower(x));
        var high = AddNeighbours(Vector128.WidenUpper(weights) * Vector128.WidenUpper(x));
        return Vector128.Narrow(low + Vector128.ShiftRightLogical(low, 32), high + Vector128.ShiftRightLogical(high, 32));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<long> AddNeighbours(Vector128<short> products)
    {
        var pairs = products.AsInt32();
        return (Vector128.ShiftRightArithmetic(Vector128.ShiftLeft(pairs, 16), 16) + Vector128.ShiftRightArithmetic(pairs, 16)).AsInt64();
    }
}

/// <summary>Products in two 256-bit registers, sums in one of 512.</summary>
internal unsafe struct Integers512 : IIntegerLanes<Bytes256, Vector512<float>>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Bytes256 Join(Vector128<sbyte> a0, Vector128<sbyte> a1, Vector128<sbyte> b0, Vector128<sbyte> b1, bool unsigned) =>
        new() { A = Integers.Join(a0, a1, unsigned), B = Integers.Join(b0, b1, unsigned) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Dot(Bytes256 weights, sbyte* x, int* corrections, bool unsigned) => Vector512.ConvertToSingle(
        Vector512.Create(Integers.Dot(weights.A, x, corrections, unsigned), Integers.Dot(weights.B, x, corrections, unsigned)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Halves(float a, float b) => Vector512.Create(Vector256.Create(a), Vector256.Create(b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Quarters(float* a, float* b) => Vector512.Create(
        Vector256.Create(Vector128.Create(a[0]), Vector128.Create(a[1])), Vector256.Create(Vector128.Create(b[0]), Vector128.Create(b[1])));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sums(Vector512<float> value, float* a, float* b)
    {
        *a = Lanes.Sum(value.GetLower().GetLower() + value.GetLower().GetUpper());
        *b = Lanes.Sum(value.GetUpper().GetLower() + value.GetUpper().GetUpper());
    }
}

/// <summary>All in two 256-bit registers.</summary>
internal unsafe struct Integers256 : IIntegerLanes<Bytes256, Pair256>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Bytes256 Join(Vector128<sbyte> a0, Vector128<sbyte> a1, Vector128<sbyte> b0, Vector128<sbyte> b1, bool unsigned) =>
        new() { A = Integers.Join(a0, a1, unsigned), B = Integers.Join(b0, b1, unsigned) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair256 Dot(Bytes256 weights, sbyte* x, int* corrections, bool unsigned) => new()
    {
        A = Vector256.ConvertToSingle(Integers.Dot(weights.A, x, corrections, unsigned)),
        B = Vector256.ConvertToSingle(Integers.Dot(weights.B, x, corrections, unsigned)),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair256 Halves(float a, float b) => new() { A = Vector256.Create(a), B = Vector256.Create(b) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair256 Quarters(float* a, float* b) => new()
    {
        A = Vector256.Create(Vector128.Create(a[0]), Vector128.Create(a[1])),
        B = Vector256.Create(Vector128.Create(b[0]), Vector128.Create(b[1])),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sums(Pair256 value, float* a, float* b)
    {
        *a = Lanes.Sum(value.A.GetLower() + value.A.GetUpper());
        *b = Lanes.Sum(value.B.GetLower() + value.B.GetUpper());
    }
}

/// <summary>All in registers of 128 bits: Arm's width, and the portable one.</summary>
internal unsafe struct Integers128 : IIntegerLanes<Bytes128, Quad128>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Bytes128 Join(Vector128<sbyte> a0, Vector128<sbyte> a1, Vector128<sbyte> b0, Vector128<sbyte> b1, bool unsigned) =>
        new() { A0 = a0, A1 = a1, B0 = b0, B1 = b1 };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Quad128 Dot(Bytes128 weights, sbyte* x, int* corrections, bool unsigned)
    {
        var (x0, x1) = (Vector128.Load(x), Vector128.Load(x + 16));
        return new()
        {
            A = Vector128.ConvertToSingle(Integers.Dot(weights.A0, x0)),
            B = Vector128.ConvertToSingle(Integers.Dot(weights.A1, x1)),
            C = Vector128.ConvertToSingle(Integers.Dot(weights.B0, x0)),
            D = Vector128.ConvertToSingle(Integers.Dot(weights.B1, x1)),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Quad128 Halves(float a, float b) =>
        new() { A = Vector128.Create(a), B = Vector128.Create(a), C = Vector128.Create(b), D = Vector128.Create(b) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Quad128 Quarters(float* a, float* b) =>
        new() { A = Vector128.Create(a[0]), B = Vector128.Create(a[1]), C = Vector128.Create(b[0]), D = Vector128.Create(b[1]) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Sums(Quad128 value, float* a, float* b)
    {
        *a = Lanes.Sum(value.A + value.B);
        *b = Lanes.Sum(value.C + value.D);
    }
}
