using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;
using ILGPU.IR.Values;
using ILGPU.Runtime.Cuda;

namespace WarpDecode.Kernels.Gpu.Device;

// Tensor cores with float operands. In the names of lanes g = lane / 4 and t = lane % 4.
internal static unsafe partial class Dev
{
    /// <summary>
    /// c + A·B of a warp: A 16 × 16 and B 16 × 8 in bfloat16, c and the sum FP32. Words hold two neighbours in k: a0 A[g][2t], a1 A[g + 8][2t],
    /// a2 A[g][2t + 8], a3 A[g + 8][2t + 8]; b0 B[2t][g], b1 B[2t + 8][g]; c (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1). From sm_80.
    /// </summary>
    [IntrinsicImplementation]
    public static F4 MmaBFloat(uint a0, uint a1, uint a2, uint a3, uint b0, uint b1, F4 c)
    {
        // On the CPU accelerator: every lane sees the words of all, until all have used them.
        var own = stackalloc MmaWords[32];
        var all = (MmaWords*)Warp.Shuffle((long)own, 0);
        var lane = Group.IdxX & 31;
        all[lane] = new MmaWords { A0 = a0, A1 = a1, A2 = a2, A3 = a3, B0 = b0, B1 = b1 };
        Warp.Barrier();
        for (var t = 0; t < 4; t++)
        {
            var (rows, first, second) = (all[(lane & 28) + t], all[((lane & 3) * 8) + t], all[((lane & 3) * 8) + 4 + t]);
            c.X += Pair(rows.A0, first.B0) + Pair(rows.A2, first.B1);
            c.Y += Pair(rows.A0, second.B0) + Pair(rows.A2, second.B1);
            c.Z += Pair(rows.A1, first.B0) + Pair(rows.A3, first.B1);
            c.W += Pair(rows.A1, second.B0) + Pair(rows.A3, second.B1);
        }
        Warp.Barrier();
        return c;
    }

    /// <summary>The high halves of two words: of two FP32 numbers their bfloat16 parts, rounded towards zero.</summary>
    [IntrinsicImplementation]
    public static uint HighHalves(uint low, uint high) => (low >> 16) | (high & 0xFFFF0000);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Pair(uint a, uint b) => (BFloatLow(a) * BFloatLow(b)) + (BFloatHigh(a) * BFloatHigh(b));

    private struct MmaWords
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
        private static void MmaBFloat(PTXBackend b, PTXCodeGenerator g, Value v) =>
            FloatMma(b, g, v, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32");

        private static void HighHalves(PTXBackend b, PTXCodeGenerator g, Value v)
        {
            var call = (MethodCall)v;
            var (low, high) = (g.EnsureHardwareRegister(g.LoadPrimitive(call[0])), g.EnsureHardwareRegister(g.LoadPrimitive(call[1])));
            var result = g.AllocateHardware(v);
            using var command = g.BeginCommand("prmt.b32");
            command.AppendArgument(result);
            command.AppendArgument(low);
            command.AppendArgument(high);
            command.AppendConstant(0x7632);
        }

        private static void FloatMma(PTXBackend b, PTXCodeGenerator g, Value v, string operation)
        {
            var call = (MethodCall)v;
            var words = new PTXCodeGenerator.PrimitiveRegister[6];
            for (var i = 0; i < words.Length; i++) words[i] = g.EnsureHardwareRegister(g.LoadPrimitive(call[i]));
            var sums = g.LoadAs<PTXCodeGenerator.CompoundRegister>(call[6]).SliceAs<PTXCodeGenerator.PrimitiveRegister>(0, 4);
            for (var i = 0; i < sums.Length; i++) sums[i] = g.EnsureHardwareRegister(sums[i]);
            var result = ((PTXCodeGenerator.CompoundRegister)g.Allocate(v)).SliceAs<PTXCodeGenerator.PrimitiveRegister>(0, 4);
            if (b.Architecture < CudaArchitecture.SM_80) operation = "trap; //"; // compiled, never launched
            using var command = g.BeginCommand(operation);
            command.AppendVectorArgument(result);
            command.AppendVectorArgument(words[..4]);
            command.AppendVectorArgument(words[4..]);
            command.AppendVectorArgument(sums);
        }
    }
}
