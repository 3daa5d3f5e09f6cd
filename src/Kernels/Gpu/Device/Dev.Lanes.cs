using ILGPU;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;
using ILGPU.IR.Values;

namespace WarpDecode.Kernels.Gpu.Device;

// What the lanes of a warp tell each other beyond shuffles.
internal static unsafe partial class Dev
{
    /// <summary>Bit i is lane i's predicate, in every lane.</summary>
    [IntrinsicImplementation]
    public static uint Ballot(bool predicate)
    {
        var bits = predicate ? 1u << (Group.IdxX & 31) : 0;
        for (var step = 16; step > 0; step >>= 1) bits |= Warp.ShuffleXor(bits, step);
        return bits;
    }

    /// <summary>Bit i says whether lane i has the same value as this one.</summary>
    [IntrinsicImplementation]
    public static uint Match(int value)
    {
        var same = 0u;
        for (var lane = 0; lane < 32; lane++) same |= Warp.Shuffle(value, lane) == value ? 1u << lane : 0;
        return same;
    }

    /// <summary>Bits that are set.</summary>
    [IntrinsicImplementation]
    public static int PopCount(uint bits) => System.Numerics.BitOperations.PopCount(bits);

    private static partial class Emit
    {
        private static void Ballot(PTXBackend b, PTXCodeGenerator g, Value v)
        {
            var predicate = g.EnsureHardwareRegister(g.LoadPrimitive(((MethodCall)v)[0]));
            var result = g.AllocateHardware(v);
            using var command = g.BeginCommand("vote.sync.ballot.b32");
            command.AppendArgument(result);
            command.AppendArgument(predicate);
            command.AppendConstant(-1);
        }

        private static void Match(PTXBackend b, PTXCodeGenerator g, Value v)
        {
            var value = g.LoadPrimitive(((MethodCall)v)[0]);
            var result = g.AllocateHardware(v);
            using var command = g.BeginCommand("match.any.sync.b32");
            command.AppendArgument(result);
            command.AppendArgument(value);
            command.AppendConstant(-1);
        }

        private static void PopCount(PTXBackend b, PTXCodeGenerator g, Value v) => Operate(g, v, "popc.b32");
    }
}
