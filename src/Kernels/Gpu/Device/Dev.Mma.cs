using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;
using ILGPU.IR.Values;

namespace WarpDecode.Kernels.Gpu.Device;

/// <summary>Eight bytes in two registers.</summary>
internal struct U2
{
    public uint X;
    public uint Y;
}

/// <summary>Four integers in four registers.</summary>
internal struct I4
{
    public int X;
    public int Y;
    public int Z;
    public int W;
}

/// <summary>
/// Tensor cores, from sm_80, and what feeds them. In all of the products lane = 4·g + t holds of A the rows g and g + 8, of B the
/// column g, and of the result rows g and g + 8 of columns 2t and 2t + 1 (X, Y and Z, W). Byte k of a register of A or B is element
/// 4t + k, or 16 + 4t + k in the second half.
/// </summary>
internal static unsafe partial class Dev
{
    /// <summary>
    /// A·B + c for unsigned bytes A [16, 32] and signed bytes B [32, 8]; a0, a1: rows g, g + 8 of the first half of A; a2, a3: of the second.
    /// </summary>
    [IntrinsicImplementation]
    public static I4 MmaUnsigned(uint a0, uint a1, uint a2, uint a3, uint b0, uint b1, int c) =>
        MultiplyBytes(new Fragment { A0 = a0, A1 = a1, A2 = a2, A3 = a3, B0 = b0, B1 = b1 }, 32, false, c);

    /// <summary>A·B + c for signed bytes A [16, 32] and B [32, 8].</summary>
    [IntrinsicImplementation]
    public static I4 MmaSigned(uint a0, uint a1, uint a2, uint a3, uint b0, uint b1, int c) =>
        MultiplyBytes(new Fragment { A0 = a0, A1 = a1, A2 = a2, A3 = a3, B0 = b0, B1 = b1 }, 32, true, c);

    /// <summary>A·B + c for signed bytes A [16, 16] and B [16, 8].</summary>
    [IntrinsicImplementation]
    public static I4 MmaSigned16(uint a0, uint a1, uint b0, int c) => MultiplyBytes(new Fragment { A0 = a0, A1 = a1, B0 = b0 }, 16, true, c);

    /// <summary>
    /// A·B + c for halves A [16, 16] and B [16, 8], summed in FP32; a register holds elements 2t and 2t + 1, or 8 + 2t and 9 + 2t in the second half.
    /// </summary>
    [IntrinsicImplementation]
    public static F4 MmaHalf(uint a0, uint a1, uint a2, uint a3, uint b0, uint b1, float c) =>
        MultiplyHalves(c, new Fragment { A0 = a0, A1 = a1, A2 = a2, A3 = a3, B0 = b0, B1 = b1 });

    /// <summary>Four bytes of eight (a: 0–3, b: 4–7), chosen by the selector's low four nibbles; a nibble's bit 3 spreads the byte's sign.</summary>
    [IntrinsicImplementation]
    public static uint Permute(uint a, uint b, uint selector)
    {
        var all = ((ulong)b << 32) | a;
        var result = 0u;
        for (var i = 0; i < 4; i++)
        {
            var choice = selector >> (4 * i);
            var chosen = (uint)(all >> (int)(8 * (choice & 7))) & 255;
            if ((choice & 8) != 0) chosen = (chosen & 128) != 0 ? 255u : 0;
            result |= chosen << (8 * i);
        }
        return result;
    }

    /// <summary>a − b for pairs of halves.</summary>
    [IntrinsicImplementation]
    public static uint SubtractHalves(uint a, uint b) =>
        HalfBits((float)HalfOf(a) - (float)HalfOf(b)) | (HalfBits((float)HalfOf(a >> 16) - (float)HalfOf(b >> 16)) << 16);

    /// <summary>The nearest halves in one word.</summary>
    [IntrinsicImplementation]
    public static uint ToHalves(float high, float low) => (HalfBits(high) << 16) | HalfBits(low);

    /// <summary>The nearest integer, of two the even one.</summary>
    [IntrinsicImplementation]
    public static int RoundToInt(float value) => float.IsNaN(value) ? 0 : (int)Math.Clamp(Math.Round((double)value), int.MinValue, int.MaxValue);

    /// <summary>The larger of two magnitudes; what is no number is larger than all.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxMagnitude(float a, float b) => MaxOrNaN(Math.Abs(a), Math.Abs(b));

    /// <summary>The larger of two numbers, or no number if one of them is none.</summary>
    [IntrinsicImplementation]
    public static float MaxOrNaN(float a, float b) => MathF.Max(a, b);

    /// <summary>Largest of the 32 lanes of the warp, in every lane.</summary>
    [IntrinsicImplementation]
    public static uint WarpMaxBits(uint value)
    {
        for (var step = 16; step > 0; step >>= 1) value = Math.Max(value, Warp.ShuffleXor(value, step));
        return value;
    }

    /// <inheritdoc cref="LoadWeights"/>
    [IntrinsicImplementation]
    public static U2 LoadWeights2(long address) => *(U2*)address;

    /// <inheritdoc cref="LoadWeights"/>
    [IntrinsicImplementation]
    public static uint LoadWeights1(long address) => *(uint*)address;

    /// <summary>An integer that another kernel may write while blocks of this one wait to begin.</summary>
    [IntrinsicImplementation]
    public static int LoadFreshInt(long address) => Volatile.Read(ref *(int*)address);

    /// <summary>start + index · size in one instruction.</summary>
    [IntrinsicImplementation]
    public static long Offset(int index, int size, long start) => start + ((long)index * size);

    /// <summary>The address of a place in shared memory, for the loads and stores below.</summary>
    [IntrinsicImplementation]
    public static long AddressOf(ref U4 place) => (long)Unsafe.AsPointer(ref place);

    /// <summary>Sixteen bytes that other warps of the multiprocessor read too.</summary>
    [IntrinsicImplementation]
    public static U4 LoadGlobal4(long address) => *(U4*)address;

    [IntrinsicImplementation]
    public static U2 LoadGlobal2(long address) => *(U2*)address;

    [IntrinsicImplementation]
    public static void StoreGlobal2(long address, U2 value) => *(U2*)address = value;

    [IntrinsicImplementation]
    public static U4 LoadShared4(long address) => *(U4*)address;

    [IntrinsicImplementation]
    public static U2 LoadShared2(long address) => *(U2*)address;

    [IntrinsicImplementation]
    public static float LoadSharedFloat(long address) => *(float*)address;

    [IntrinsicImplementation]
    public static void StoreShared2(long address, U2 value) => *(U2*)address = value;

    [IntrinsicImplementation]
    public static void StoreSharedU16(long address, uint value) => *(ushort*)address = (ushort)value;

    [IntrinsicImplementation]
    public static void StoreSharedFloat(long address, float value) => *(float*)address = value;

    private static System.Half HalfOf(uint bits) => BitConverter.UInt16BitsToHalf((ushort)bits);

    private static uint HalfBits(float value) => BitConverter.HalfToUInt16Bits((System.Half)value);

    /// <summary>For the CPU accelerator: hands every lane the registers of all, and waits until all have used them.</summary>
    private static T Exchange<T>(Fragment mine, Func<nint, T> use)
    {
        var own = stackalloc Fragment[32];
        var shared = (Fragment*)Warp.Shuffle((long)own, 0);
        shared[Warp.LaneIdx] = mine;
        Warp.Barrier();
        var result = use((nint)shared);
        Warp.Barrier();
        return result;
    }

    private static I4 MultiplyBytes(Fragment mine, int depth, bool signed, int c)
    {
        var (g, t) = (Warp.LaneIdx >> 2, Warp.LaneIdx & 3);
        return Exchange(mine, all =>
        {
            int Sum(int row, int column)
            {
                var sum = c;
                for (var k = 0; k < depth; k++)
                {
                    ref var left = ref ((Fragment*)all)[((row & 7) * 4) + ((k >> 2) & 3)];
                    ref var right = ref ((Fragment*)all)[(column * 4) + ((k >> 2) & 3)];
                    var a = (byte)((k < 16 ? (row < 8 ? left.A0 : left.A1) : row < 8 ? left.A2 : left.A3) >> (8 * (k & 3)));
                    var b = (sbyte)((k < 16 ? right.B0 : right.B1) >> (8 * (k & 3)));
                    sum += (signed ? (sbyte)a : a) * b;
                }
                return sum;
            }
            return new I4 { X = Sum(g, 2 * t), Y = Sum(g, (2 * t) + 1), Z = Sum(g + 8, 2 * t), W = Sum(g + 8, (2 * t) + 1) };
        });
    }

    private static F4 MultiplyHalves(float c, Fragment mine)
    {
        var (g, t) = (Warp.LaneIdx >> 2, Warp.LaneIdx & 3);
        return Exchange(mine, all =>
        {
            float Sum(int row, int column)
            {
                var sum = c;
                for (var k = 0; k < 16; k++)
                {
                    ref var left = ref ((Fragment*)all)[((row & 7) * 4) + ((k >> 1) & 3)];
                    ref var right = ref ((Fragment*)all)[(column * 4) + ((k >> 1) & 3)];
                    var a = (k < 8 ? (row < 8 ? left.A0 : left.A1) : row < 8 ? left.A2 : left.A3) >> (16 * (k & 1));
                    var b = (k < 8 ? right.B0 : right.B1) >> (16 * (k & 1));
                    sum += (float)HalfOf(a) * (float)HalfOf(b);
                }
                return sum;
            }
            return new F4 { X = Sum(g, 2 * t), Y = Sum(g, (2 * t) + 1), Z = Sum(g + 8, 2 * t), W = Sum(g + 8, (2 * t) + 1) };
        });
    }

    private struct Fragment
    {
        public uint A0;
        public uint A1;
        public uint A2;
        public uint A3;
        public uint B0;
        public uint B1;
    }

    private static partial class Emit
    {
        private static void MmaUnsigned(PTXBackend b, PTXCodeGenerator g, Value v) => Mma(g, v, "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32", 4, 2);

        private static void MmaSigned(PTXBackend b, PTXCodeGenerator g, Value v) => Mma(g, v, "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32", 4, 2);

        private static void MmaSigned16(PTXBackend b, PTXCodeGenerator g, Value v) => Mma(g, v, "mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32", 2, 1);

        private static void MmaHalf(PTXBackend b, PTXCodeGenerator g, Value v) => Mma(g, v, "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", 4, 2);

        private static void Permute(PTXBackend b, PTXCodeGenerator g, Value v) => Operate(g, v, "prmt.b32");

        private static void SubtractHalves(PTXBackend b, PTXCodeGenerator g, Value v) => Operate(g, v, "sub.f16x2");

        private static void ToHalves(PTXBackend b, PTXCodeGenerator g, Value v) => Operate(g, v, "cvt.rn.f16x2.f32");

        private static void RoundToInt(PTXBackend b, PTXCodeGenerator g, Value v) => Operate(g, v, "cvt.rni.s32.f32");

        private static void MaxOrNaN(PTXBackend b, PTXCodeGenerator g, Value v) => Operate(g, v, "max.NaN.f32");

        private static void WarpMaxBits(PTXBackend b, PTXCodeGenerator g, Value v) => Operate(g, v, "redux.sync.max.u32", -1);

        private static void LoadWeights2(PTXBackend b, PTXCodeGenerator g, Value v) => LoadVector(g, v, "ld.global.L1::no_allocate.v2.b32", 2);

        private static void LoadWeights1(PTXBackend b, PTXCodeGenerator g, Value v) => Load(g, v, "ld.global.L1::no_allocate.b32");

        private static void LoadFreshInt(PTXBackend b, PTXCodeGenerator g, Value v) => Load(g, v, "ld.relaxed.gpu.global.b32");

        private static void Offset(PTXBackend b, PTXCodeGenerator g, Value v) => Operate(g, v, "mad.wide.s32");

        // A pointer of the address space where the compiler knows the place to be: that of shared memory.
        private static void AddressOf(PTXBackend b, PTXCodeGenerator g, Value v) => Operate(g, v, "mov.b64");

        private static void LoadGlobal4(PTXBackend b, PTXCodeGenerator g, Value v) => Load4(g, v, "ld.global.v4.b32");

        private static void LoadGlobal2(PTXBackend b, PTXCodeGenerator g, Value v) => LoadVector(g, v, "ld.global.v2.b32", 2);

        private static void StoreGlobal2(PTXBackend b, PTXCodeGenerator g, Value v) => Store2(g, v, "st.global.v2.b32");

        private static void LoadShared4(PTXBackend b, PTXCodeGenerator g, Value v) => Load4(g, v, "ld.shared.v4.b32");

        private static void LoadShared2(PTXBackend b, PTXCodeGenerator g, Value v) => LoadVector(g, v, "ld.shared.v2.b32", 2);

        private static void LoadSharedFloat(PTXBackend b, PTXCodeGenerator g, Value v) => Load(g, v, "ld.shared.f32");

        private static void StoreShared2(PTXBackend b, PTXCodeGenerator g, Value v) => Store2(g, v, "st.shared.v2.b32");

        private static void StoreSharedU16(PTXBackend b, PTXCodeGenerator g, Value v) => Store(g, v, "st.shared.u16");

        private static void StoreSharedFloat(PTXBackend b, PTXCodeGenerator g, Value v) => Store(g, v, "st.shared.f32");

        private static void Store2(PTXCodeGenerator g, Value v, string operation)
        {
            var call = (MethodCall)v;
            var address = g.LoadHardware(call[0]);
            var values = g.LoadAs<PTXCodeGenerator.CompoundRegister>(call[1]).SliceAs<PTXCodeGenerator.PrimitiveRegister>(0, 2);
            for (var i = 0; i < 2; i++) values[i] = g.EnsureHardwareRegister(values[i]);
            using var command = g.BeginCommand(operation);
            command.AppendArgumentValue(address);
            command.AppendVectorArgument(values);
        }

        private static void LoadVector(PTXCodeGenerator g, Value v, string operation, int count)
        {
            var address = g.LoadHardware(((MethodCall)v)[0]);
            var result = (PTXCodeGenerator.CompoundRegister)g.Allocate(v);
            using var command = g.BeginCommand(operation);
            command.AppendVectorArgument(result.SliceAs<PTXCodeGenerator.PrimitiveRegister>(0, count));
            command.AppendArgumentValue(address);
        }

        /// <summary>D = A·B + c with the same c everywhere: after the registers of A and B the call's last operand.</summary>
        private static void Mma(PTXCodeGenerator g, Value v, string operation, int left, int right)
        {
            var call = (MethodCall)v;
            PTXCodeGenerator.PrimitiveRegister[] Take(int from, int count)
            {
                var registers = new PTXCodeGenerator.PrimitiveRegister[count];
                for (var i = 0; i < count; i++) registers[i] = g.EnsureHardwareRegister(g.LoadPrimitive(call[from + i]));
                return registers;
            }
            var (a, b) = (Take(0, left), Take(left, right));
            var c = Take(left + right, 1)[0];
            var result = ((PTXCodeGenerator.CompoundRegister)g.Allocate(v)).SliceAs<PTXCodeGenerator.PrimitiveRegister>(0, 4);
            using var command = g.BeginCommand(operation);
            command.AppendVectorArgument(result);
            command.AppendVectorArgument(a);
            command.AppendVectorArgument(b);
            command.AppendVectorArgument([c, c, c, c]);
        }
    }
}
