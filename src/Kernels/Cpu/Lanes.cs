using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using WarpDecode.Formats;

namespace WarpDecode.Kernels.Cpu;

/// <summary>How sixteen FP32 lanes are held.</summary>
internal enum LaneWidth
{
    /// <summary>One 512-bit register.</summary>
    Avx512,

    /// <summary>Two 256-bit registers, FMA.</summary>
    Avx2,

    /// <summary>Four 128-bit registers, Arm's FMA.</summary>
    Neon,

    /// <summary>Four <see cref="Vector128{T}"/>: whatever the runtime makes of them.</summary>
    Portable,
}

/// <summary>
/// Sixteen FP32 lanes, whatever registers hold them. Kernels are written once over this contract; since every width does the
/// same operations on the same sixteen lanes, and <see cref="Sum"/> adds in the same order, machines with fused multiply-add
/// agree bit for bit, whatever their vector width.
/// </summary>
/// <typeparam name="F">The registers.</typeparam>
internal unsafe interface ILanes<F>
    where F : struct
{
    static abstract F Zero { get; }

    static abstract F Load(float* at);

    static abstract F Load<TFloat>(TFloat* at)
        where TFloat : unmanaged, IFloatFormat<TFloat>;

    static abstract void Store(F value, float* to);

    /// <summary>Sixteen signed bytes as FP32.</summary>
    static abstract F Widen(Vector128<sbyte> integers);

    static abstract F Broadcast(float value);

    /// <summary>Whether <see cref="LookupLow"/> and <see cref="LookupHigh"/> are there.</summary>
    static virtual bool HasLookup => false;

    /// <summary>0, 1, … 15.</summary>
    static virtual F Iota => throw new NotSupportedException();

    /// <summary>Sixteen bytes as the indices of lookups.</summary>
    static virtual F Indices(Vector128<byte> bytes) => throw new NotSupportedException();

    /// <summary>Elements of <paramref name="table"/> that the low nibbles name.</summary>
    static virtual F LookupLow(F table, F indices) => throw new NotSupportedException();

    /// <summary>Elements of <paramref name="table"/> that the high nibbles name.</summary>
    static virtual F LookupHigh(F table, F indices) => throw new NotSupportedException();

    static abstract F Add(F a, F b);

    static abstract F Multiply(F a, F b);

    /// <summary>a · b + c, rounded once where the machine has fused multiply-add.</summary>
    static abstract F MultiplyAdd(F a, F b, F c);

    /// <summary>Sum of the lanes: halves added to halves, 16 → 8 → 4 → 2 → 1.</summary>
    static abstract float Sum(F value);
}

/// <summary>Helpers shared by the widths.</summary>
internal static class Lanes
{
    /// <summary>
    /// How far ahead of its reading a row kernel prefetches, in bytes. The hardware's prefetchers lose two short rows read
    /// side by side; of 2, 4, 6, 8, 12, 16 and 32 KiB this was the best or near it for every format.
    /// </summary>
    public const int Ahead = 8192;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector128<float> v)
    {
        var pair = v + Vector128.Shuffle(v, Vector128.Create(2, 3, 0, 1));
        return pair[0] + pair[1];
    }

    /// <summary>
    /// Asks for the cache line at an address, which need not be valid, where the machine can be asked. Into the second-level
    /// cache: one core has too few outstanding misses of the first level to keep the memory busy (12 against 16 GB/s).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Prefetch(byte* at)
    {
        if (Sse.IsSupported) Sse.Prefetch1(at);
    }
}

/// <summary>Sixteen lanes in one 512-bit register.</summary>
internal unsafe struct Lanes512 : ILanes<Vector512<float>>
{
    public static Vector512<float> Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector512<float>.Zero;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* at) => Vector512.Load(at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load<TFloat>(TFloat* at)
        where TFloat : unmanaged, IFloatFormat<TFloat> => TFloat.Load16(at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> value, float* to) => value.Store(to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Widen(Vector128<sbyte> integers) => Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(integers));

    public static bool HasLookup => true;

    public static Vector512<float> Iota
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector512.Create(0f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Indices(Vector128<byte> bytes) => Avx512F.ConvertToVector512Int32(bytes).AsSingle();

    // The instruction looks at the low four bits only.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LookupLow(Vector512<float> table, Vector512<float> indices) =>
        Avx512F.PermuteVar16x32(table, indices.AsInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LookupHigh(Vector512<float> table, Vector512<float> indices) =>
        Avx512F.PermuteVar16x32(table, Vector512.ShiftRightLogical(indices.AsInt32(), 4));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Broadcast(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector512<float> value)
    {
        var eight = value.GetLower() + value.GetUpper();
        return Lanes.Sum(eight.GetLower() + eight.GetUpper());
    }
}

/// <summary>Two 256-bit registers. Without a constructor: the compiler's budget for inlining counts each, and kernels are long.</summary>
internal struct Pair256
{
    public Vector256<float> A;
    public Vector256<float> B;
}

/// <summary>Sixteen lanes in two 256-bit registers.</summary>
internal unsafe struct Lanes256 : ILanes<Pair256>
{
    public static Pair256 Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new() { A = Vector256<float>.Zero, B = Vector256<float>.Zero };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair256 Load(float* at) => new() { A = Vector256.Load(at), B = Vector256.Load(at + 8) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair256 Load<TFloat>(TFloat* at)
        where TFloat : unmanaged, IFloatFormat<TFloat> => new() { A = TFloat.Load8(at), B = TFloat.Load8(at + 8) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Pair256 value, float* to)
    {
        value.A.Store(to);
        value.B.Store(to + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair256 Widen(Vector128<sbyte> integers) => new()
    {
        A = Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(integers)),
        B = Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(Sse2.ShiftRightLogical128BitLane(integers, 8))),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair256 Broadcast(float value)
    {
        var all = Vector256.Create(value);
        return new() { A = all, B = all };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair256 Add(Pair256 a, Pair256 b) => new() { A = a.A + b.A, B = a.B + b.B };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair256 Multiply(Pair256 a, Pair256 b) => new() { A = a.A * b.A, B = a.B * b.B };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Pair256 MultiplyAdd(Pair256 a, Pair256 b, Pair256 c) =>
        new() { A = Vector256.FusedMultiplyAdd(a.A, b.A, c.A), B = Vector256.FusedMultiplyAdd(a.B, b.B, c.B) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Pair256 value)
    {
        var eight = value.A + value.B;
        return Lanes.Sum(eight.GetLower() + eight.GetUpper());
    }
}

/// <summary>Four 128-bit registers; no constructor either.</summary>
internal struct Quad128
{
    public Vector128<float> A;
    public Vector128<float> B;
    public Vector128<float> C;
    public Vector128<float> D;
}

/// <summary>Sixteen lanes in four 128-bit registers: Arm's width, and the portable one.</summary>
internal unsafe struct Lanes128 : ILanes<Quad128>
{
    public static Quad128 Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => default;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Quad128 Load(float* at) => new()
    {
        A = Vector128.Load(at),
        B = Vector128.Load(at + 4),
        C = Vector128.Load(at + 8),
        D = Vector128.Load(at + 12),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Quad128 Load<TFloat>(TFloat* at)
        where TFloat : unmanaged, IFloatFormat<TFloat> =>
        new() { A = TFloat.Load4(at), B = TFloat.Load4(at + 4), C = TFloat.Load4(at + 8), D = TFloat.Load4(at + 12) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Quad128 value, float* to)
    {
        value.A.Store(to);
        value.B.Store(to + 4);
        value.C.Store(to + 8);
        value.D.Store(to + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Quad128 Widen(Vector128<sbyte> integers)
    {
        var lower = Vector128.WidenLower(integers);
        var upper = Vector128.WidenUpper(integers);
        return new()
        {
            A = Vector128.ConvertToSingle(Vector128.WidenLower(lower)),
            B = Vector128.ConvertToSingle(Vector128.WidenUpper(lower)),
            C = Vector128.ConvertToSingle(Vector128.WidenLower(upper)),
            D = Vector128.ConvertToSingle(Vector128.WidenUpper(upper)),
        };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Quad128 Broadcast(float value)
    {
        var all = Vector128.Create(value);
        return new() { A = all, B = all, C = all, D = all };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Quad128 Add(Quad128 a, Quad128 b) => new() { A = a.A + b.A, B = a.B + b.B, C = a.C + b.C, D = a.D + b.D };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Quad128 Multiply(Quad128 a, Quad128 b) => new() { A = a.A * b.A, B = a.B * b.B, C = a.C * b.C, D = a.D * b.D };

    // The estimate is fused where the machine can fuse (Arm, x86 with FMA) and two roundings elsewhere, where a fused one
    // would be computed in software.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Quad128 MultiplyAdd(Quad128 a, Quad128 b, Quad128 c) => new()
    {
        A = Vector128.MultiplyAddEstimate(a.A, b.A, c.A),
        B = Vector128.MultiplyAddEstimate(a.B, b.B, c.B),
        C = Vector128.MultiplyAddEstimate(a.C, b.C, c.C),
        D = Vector128.MultiplyAddEstimate(a.D, b.D, c.D),
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Quad128 value) => Lanes.Sum((value.A + value.C) + (value.B + value.D));
}
