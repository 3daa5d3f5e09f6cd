using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;
using ILGPU.IR.Values;
using ILGPU.Runtime.Cuda;

namespace WarpDecode.Kernels.Gpu.Device;

/// <summary>Two FP32 values in two registers.</summary>
internal struct F2
{
    public float X;
    public float Y;
}

/// <summary>Two times eight bytes in two registers.</summary>
internal struct L2
{
    public long X;
    public long Y;
}

// Products of small matrices on tensor cores, and the loads and stores that attention needs.
internal static unsafe partial class Dev
{
    [IntrinsicImplementation]
    public static F2 LoadF2(long address) => *(F2*)address;

    /// <summary>Two values that another block may have written while this kernel runs.</summary>
    [IntrinsicImplementation]
    public static F2 LoadFreshF2(long address) => *(F2*)address;

    /// <summary>Four values that another block may have written while this kernel runs.</summary>
    [IntrinsicImplementation]
    public static F4 LoadFreshF4(long address) => *(F4*)address;

    /// <summary>Twice eight bytes, each at once, that another block may have written while this kernel runs.</summary>
    [IntrinsicImplementation]
    public static L2 LoadFreshPairs(long address) => *(L2*)address;

    /// <summary>Two values, at once, that another block may read while this kernel runs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreFreshPair(long address, F2 value) =>
        StoreFresh(address, (long)(((ulong)Interop.FloatAsInt(value.Y) << 32) | Interop.FloatAsInt(value.X)));

    [IntrinsicImplementation]
    public static void StoreF2(long address, F2 value) => *(F2*)address = value;

    /// <summary>
    /// sum + A·B, A 16 × 16 and B 16 × 8 halves, sum 16 × 8 in FP32, over the warp. Lane 4g + t holds of A: a0 row g, a1 row g + 8, columns
    /// 2t and 2t + 1; a2, a3 the same rows, columns 2t + 8 and 2t + 9; of B: b0 rows 2t and 2t + 1, b1 rows 2t + 8 and 2t + 9, column g;
    /// of the sum: X, Y row g, Z, W row g + 8, columns 2t and 2t + 1.
    /// </summary>
    [IntrinsicImplementation]
    public static F4 MmaF16(uint a0, uint a1, uint a2, uint a3, uint b0, uint b1, F4 sum)
    {
        var words = Exchange(a0, a1, a2, a3, b0, b1);
        var (g, t) = (Warp.LaneIdx >> 2, Warp.LaneIdx & 3);
        return new F4
        {
            X = Cell(words, g, 2 * t, sum.X),
            Y = Cell(words, g, (2 * t) + 1, sum.Y),
            Z = Cell(words, g + 8, 2 * t, sum.Z),
            W = Cell(words, g + 8, (2 * t) + 1, sum.W),
        };

        static float Cell(uint* words, int row, int column, float sum)
        {
            var total = (double)sum;
            for (var k = 0; k < 16; k++)
            {
                var a = words[((((row & 7) * 4) + ((k & 7) >> 1)) * 6) + (row >> 3) + (k >> 3 << 1)];
                var b = words[(((column * 4) + ((k & 7) >> 1)) * 6) + 4 + (k >> 3)];
                total += (double)Value(a, k) * Value(b, k);
            }
            return (float)total;
        }

        static float Value(uint pair, int k) => (float)BitConverter.UInt16BitsToHalf((ushort)(pair >> (16 * (k & 1))));
    }

    /// <summary>
    /// sum + A·B, A 16 × 8 and B 8 × 8 in TF32 (FP32 words of which the first 10 bits of the fraction are read), sum 16 × 8 in FP32, over the
    /// warp. Lane 4g + t holds of A: a0 row g, a1 row g + 8, column t; a2, a3 the same rows, column t + 4; of B: b0 row t, b1 row t + 4,
    /// column g; the sum as <see cref="MmaF16"/>. From sm_80.
    /// </summary>
    [IntrinsicImplementation]
    public static F4 MmaTF32(uint a0, uint a1, uint a2, uint a3, uint b0, uint b1, F4 sum)
    {
        var words = Exchange(a0, a1, a2, a3, b0, b1);
        var (g, t) = (Warp.LaneIdx >> 2, Warp.LaneIdx & 3);
        return new F4
        {
            X = Cell(words, g, 2 * t, sum.X),
            Y = Cell(words, g, (2 * t) + 1, sum.Y),
            Z = Cell(words, g + 8, 2 * t, sum.Z),
            W = Cell(words, g + 8, (2 * t) + 1, sum.W),
        };

        static float Cell(uint* words, int row, int column, float sum)
        {
            var total = (double)sum;
            for (var k = 0; k < 8; k++)
            {
                var a = words[((((row & 7) * 4) + (k & 3)) * 6) + (row >> 3) + (k >> 2 << 1)];
                var b = words[(((column * 4) + (k & 3)) * 6) + 4 + (k >> 2)];
                total += (double)Value(a) * Value(b);
            }
            return (float)total;
        }

        static float Value(uint word) => BitConverter.UInt32BitsToSingle(word & 0xFFFFE000);
    }

    /// <summary>For the CPU accelerator: all lanes' words side by side, [32, 6], good until the next exchange.</summary>
    private static uint* Exchange(uint a0, uint a1, uint a2, uint a3, uint b0, uint b1)
    {
        if (exchange is null) exchange = (uint*)NativeMemory.Alloc(32 * 6, sizeof(uint));
        var words = (uint*)Warp.Shuffle((long)exchange, 0);
        var mine = words + (Warp.LaneIdx * 6);
        (mine[0], mine[1], mine[2], mine[3], mine[4], mine[5]) = (a0, a1, a2, a3, b0, b1);
        Warp.Barrier();
        return words;
    }

    [ThreadStatic]
    private static uint* exchange;

    private static partial class Emit
    {
        private static void LoadF2(PTXBackend b, PTXCodeGenerator g, Value v) => LoadWide(g, v, "ld.global.v2.f32", 2);

        private static void LoadFreshF2(PTXBackend b, PTXCodeGenerator g, Value v) => LoadWide(g, v, "ld.relaxed.gpu.global.v2.f32", 2);

        private static void LoadFreshF4(PTXBackend b, PTXCodeGenerator g, Value v) => LoadWide(g, v, "ld.relaxed.gpu.global.v4.f32", 4);

        private static void LoadFreshPairs(PTXBackend b, PTXCodeGenerator g, Value v) => LoadVector(g, v, "ld.relaxed.gpu.global.v2.b64", 2);

        private static void StoreF2(PTXBackend b, PTXCodeGenerator g, Value v)
        {
            var call = (MethodCall)v;
            var address = g.LoadHardware(call[0]);
            var values = TileRegisters(g, call[1], 2);
            using var command = g.BeginCommand("st.global.v2.f32");
            command.AppendArgumentValue(address);
            command.AppendVectorArgument(values);
        }

        private static void MmaF16(PTXBackend b, PTXCodeGenerator g, Value v)
        {
            var (a, right, sum, result) = Operands(g, v);
            if (b.Architecture >= CudaArchitecture.SM_80)
            {
                Mma(g, "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", result, a, right, sum);
                return;
            }
            // Turing multiplies half as deep: twice.
            Mma(g, "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32", result, a[..2], right[..1], sum);
            Mma(g, "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32", result, a[2..], right[1..], result);
        }

        private static void MmaTF32(PTXBackend b, PTXCodeGenerator g, Value v)
        {
            var (a, right, sum, result) = Operands(g, v);
            if (b.Architecture >= CudaArchitecture.SM_80)
            {
                Mma(g, "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", result, a, right, sum);
                return;
            }
            using var command = g.BeginCommand("trap"); // the backend refuses before
        }

        private static (PTXCodeGenerator.PrimitiveRegister[] A, PTXCodeGenerator.PrimitiveRegister[] B, PTXCodeGenerator.PrimitiveRegister[] Sum, PTXCodeGenerator.PrimitiveRegister[] Result)
            Operands(PTXCodeGenerator g, Value v)
        {
            var call = (MethodCall)v;
            var words = new PTXCodeGenerator.PrimitiveRegister[6];
            for (var i = 0; i < words.Length; i++) words[i] = g.EnsureHardwareRegister(g.LoadPrimitive(call[i]));
            var sum = TileRegisters(g, call[6], 4);
            var result = ((PTXCodeGenerator.CompoundRegister)g.Allocate(v)).SliceAs<PTXCodeGenerator.PrimitiveRegister>(0, 4);
            return (words[..4], words[4..], sum, result);
        }

        private static void Mma(
            PTXCodeGenerator g, string operation, PTXCodeGenerator.PrimitiveRegister[] result, PTXCodeGenerator.PrimitiveRegister[] a,
            PTXCodeGenerator.PrimitiveRegister[] b, PTXCodeGenerator.PrimitiveRegister[] sum)
        {
            using var command = g.BeginCommand(operation);
            command.AppendVectorArgument(result);
            command.AppendVectorArgument(a);
            command.AppendVectorArgument(b);
            command.AppendVectorArgument(sum);
        }

        private static PTXCodeGenerator.PrimitiveRegister[] TileRegisters(PTXCodeGenerator g, Value value, int count)
        {
            var registers = g.LoadAs<PTXCodeGenerator.CompoundRegister>(value).SliceAs<PTXCodeGenerator.PrimitiveRegister>(0, count);
            for (var i = 0; i < registers.Length; i++) registers[i] = g.EnsureHardwareRegister(registers[i]);
            return registers;
        }

        private static void LoadWide(PTXCodeGenerator g, Value v, string operation, int count)
        {
            var address = g.LoadHardware(((MethodCall)v)[0]);
            var result = (PTXCodeGenerator.CompoundRegister)g.Allocate(v);
            using var command = g.BeginCommand(operation);
            command.AppendVectorArgument(result.SliceAs<PTXCodeGenerator.PrimitiveRegister>(0, count));
            command.AppendArgumentValue(address);
        }
    }
}
