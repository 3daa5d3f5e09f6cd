using System.Reflection;
using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;
using ILGPU.IR.Values;
using ILGPU.Runtime.Cuda;

namespace WarpDecode.Kernels.Gpu.Device;

/// <summary>Sixteen bytes in four registers.</summary>
internal struct U4
{
    public uint X;
    public uint Y;
    public uint Z;
    public uint W;
}

/// <summary>Four FP32 values in four registers.</summary>
internal struct F4
{
    public float X;
    public float Y;
    public float Z;
    public float W;
}

/// <summary>
/// Instructions that C# has no words for. Each has a C# body, which ILGPU's CPU accelerator runs, and a PTX emitter of the same
/// name below, which takes and gives registers (CudaAsm's forms go through local memory). Addresses are plain 64-bit numbers:
/// device pointers on a GPU, pointers of the process on the CPU accelerator.
/// <para>
/// Products that feed a sum are written <see cref="Fma"/>: ptxas contracts a·b + c as it sees fit, differently in different
/// kernels, and a token's bits must not depend on the variant of a kernel that its batch happens to choose.
/// </para>
/// </summary>
internal static unsafe partial class Dev
{
    /// <summary>
    /// Sixteen bytes of weights, or of what an earlier step wrote: read once, not kept in the first-level cache, by a plain load, so that
    /// it can be issued before <see cref="AwaitPrevious"/>.
    /// </summary>
    [IntrinsicImplementation]
    public static U4 LoadWeights(long address) => *(U4*)address;

    /// <summary>Sixteen bytes that neighbouring lanes share, kept in the first-level cache.</summary>
    [IntrinsicImplementation]
    public static U4 LoadShared(long address) => *(U4*)address;

    [IntrinsicImplementation]
    public static F4 LoadF4(long address) => *(F4*)address;

    [IntrinsicImplementation]
    public static float LoadFloat(long address) => *(float*)address;

    [IntrinsicImplementation]
    public static int LoadInt(long address) => *(int*)address;

    [IntrinsicImplementation]
    public static uint LoadU16(long address) => *(ushort*)address;

    [IntrinsicImplementation]
    public static uint LoadU8(long address) => *(byte*)address;

    [IntrinsicImplementation]
    public static void StoreFloat(long address, float value) => *(float*)address = value;

    [IntrinsicImplementation]
    public static void StoreInt(long address, int value) => *(int*)address = value;

    [IntrinsicImplementation]
    public static void StoreU16(long address, uint value) => *(ushort*)address = (ushort)value;

    [IntrinsicImplementation]
    public static void StoreF4(long address, F4 value) => *(F4*)address = value;

    /// <summary>a · b + c, rounded once.</summary>
    [IntrinsicImplementation]
    public static float Fma(float a, float b, float c) => MathF.FusedMultiplyAdd(a, b, c);

    /// <summary>2^x to 2 units in the last place; 0 for −∞.</summary>
    [IntrinsicImplementation]
    public static float Exp2(float x) => MathF.Pow(2, x);

    /// <summary>1 / x to 1 unit in the last place.</summary>
    [IntrinsicImplementation]
    public static float Reciprocal(float x) => 1 / x;

    /// <summary>1 / √x to 2 units in the last place.</summary>
    [IntrinsicImplementation]
    public static float ReciprocalSqrt(float x) => 1 / MathF.Sqrt(x);

    /// <summary>(a &amp; b) | c in one instruction.</summary>
    [IntrinsicImplementation]
    public static uint AndOr(uint a, uint b, uint c) => (a & b) | c;

    /// <summary>Adds to a counter of the whole device, releasing the writes before it and acquiring those of others; returns what was there.</summary>
    [IntrinsicImplementation]
    public static int Arrive(long counter, int value) => Interlocked.Add(ref *(int*)counter, value) - value;

    /// <summary>
    /// Waits until the kernel ahead has ended and its writes are seen (<see cref="LaunchBounds.Dependent"/>). What does not come
    /// from an earlier kernel, weights above all, can be loaded before it, by plain loads (<c>ld.global</c>): ptxas moves the others below.
    /// </summary>
    [IntrinsicImplementation]
    public static void AwaitPrevious()
    {
    }

    /// <summary>Lets the next kernel's blocks start when all blocks of this one have said so or ended.</summary>
    [IntrinsicImplementation]
    public static void ReleaseNext()
    {
    }

    /// <summary>A half as FP32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Half(uint bits) => (float)Interop.IntAsFloat((ushort)bits);

    /// <summary>A bfloat16 in the low half of a word as FP32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float BFloatLow(uint pair) => Interop.IntAsFloat(pair << 16);

    /// <summary>A bfloat16 in the high half of a word as FP32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float BFloatHigh(uint pair) => Interop.IntAsFloat(pair & 0xFFFF0000u);

    /// <summary>e^x to about 2 + |x| / 20 units in the last place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Exp(float x) => Exp2(x * 1.4426950408889634f);

    /// <summary>Sum over the 32 lanes of the warp, in every lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float WarpSum(float value)
    {
        value += Warp.ShuffleXor(value, 16);
        value += Warp.ShuffleXor(value, 8);
        value += Warp.ShuffleXor(value, 4);
        value += Warp.ShuffleXor(value, 2);
        value += Warp.ShuffleXor(value, 1);
        return value;
    }

    /// <summary>Four sums over the 32 lanes, bit for bit those of <see cref="WarpSum"/>: lanes 8·i … 8·i + 7 get the i-th.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float WarpSums(F4 values)
    {
        var upper = (Group.IdxX & 16) != 0;
        var first = (upper ? values.Z : values.X) + Warp.ShuffleXor(upper ? values.X : values.Z, 16);
        var second = (upper ? values.W : values.Y) + Warp.ShuffleXor(upper ? values.Y : values.W, 16);
        var odd = (Group.IdxX & 8) != 0;
        var value = (odd ? second : first) + Warp.ShuffleXor(odd ? first : second, 8);
        value += Warp.ShuffleXor(value, 4);
        value += Warp.ShuffleXor(value, 2);
        value += Warp.ShuffleXor(value, 1);
        return value;
    }

    /// <summary>Largest of the 32 lanes of the warp, in every lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float WarpMax(float value)
    {
        value = Max(value, Warp.ShuffleXor(value, 16));
        value = Max(value, Warp.ShuffleXor(value, 8));
        value = Max(value, Warp.ShuffleXor(value, 4));
        value = Max(value, Warp.ShuffleXor(value, 2));
        return Max(value, Warp.ShuffleXor(value, 1));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Max(float a, float b) => a > b ? a : b;

    /// <summary>Makes the emitters known to a context.</summary>
    public static Context.Builder Register(Context.Builder builder)
    {
        var manager = builder.GetIntrinsicManager();
        foreach (var method in typeof(Dev).GetMethods(BindingFlags.Public | BindingFlags.Static))
        {
            if (method.GetCustomAttribute<IntrinsicImplementationAttribute>() is null) continue;
            manager.RegisterMethod(method, new PTXIntrinsic(typeof(Emit), method.Name, IntrinsicImplementationMode.GenerateCode));
        }
        return builder;
    }

    /// <summary>The PTX of each intrinsic.</summary>
    private static partial class Emit
    {
        private static void LoadWeights(PTXBackend b, PTXCodeGenerator g, Value v) => Load4(g, v, "ld.global.L1::no_allocate.v4.b32");

        private static void LoadShared(PTXBackend b, PTXCodeGenerator g, Value v) => Load4(g, v, "ld.global.nc.v4.b32");

        private static void LoadF4(PTXBackend b, PTXCodeGenerator g, Value v) => Load4(g, v, "ld.global.v4.f32");

        private static void LoadFloat(PTXBackend b, PTXCodeGenerator g, Value v) => Load(g, v, "ld.global.f32");

        private static void LoadInt(PTXBackend b, PTXCodeGenerator g, Value v) => Load(g, v, "ld.global.b32");

        // Loads narrower than a register widen with zeros.
        private static void LoadU16(PTXBackend b, PTXCodeGenerator g, Value v) => Load(g, v, "ld.global.nc.u16");

        private static void LoadU8(PTXBackend b, PTXCodeGenerator g, Value v) => Load(g, v, "ld.global.nc.u8");

        private static void StoreFloat(PTXBackend b, PTXCodeGenerator g, Value v) => Store(g, v, "st.global.f32");

        private static void StoreInt(PTXBackend b, PTXCodeGenerator g, Value v) => Store(g, v, "st.global.b32");

        private static void StoreU16(PTXBackend b, PTXCodeGenerator g, Value v) => Store(g, v, "st.global.u16");

        private static void StoreF4(PTXBackend b, PTXCodeGenerator g, Value v)
        {
            var call = (MethodCall)v;
            var address = g.LoadHardware(call[0]);
            var values = g.LoadAs<PTXCodeGenerator.CompoundRegister>(call[1]).SliceAs<PTXCodeGenerator.PrimitiveRegister>(0, 4);
            for (var i = 0; i < values.Length; i++) values[i] = g.EnsureHardwareRegister(values[i]);
            using var command = g.BeginCommand("st.global.v4.f32");
            command.AppendArgumentValue(address);
            command.AppendVectorArgument(values);
        }

        private static void Fma(PTXBackend b, PTXCodeGenerator g, Value v) => Operate(g, v, "fma.rn.f32");

        private static void Exp2(PTXBackend b, PTXCodeGenerator g, Value v) => Operate(g, v, "ex2.approx.ftz.f32");

        private static void Reciprocal(PTXBackend b, PTXCodeGenerator g, Value v) => Operate(g, v, "rcp.approx.ftz.f32");

        private static void ReciprocalSqrt(PTXBackend b, PTXCodeGenerator g, Value v) => Operate(g, v, "rsqrt.approx.ftz.f32");

        private static void AndOr(PTXBackend b, PTXCodeGenerator g, Value v) => Operate(g, v, "lop3.b32", 0xEA);

        private static void Arrive(PTXBackend b, PTXCodeGenerator g, Value v)
        {
            var call = (MethodCall)v;
            var address = g.LoadHardware(call[0]);
            var value = g.EnsureHardwareRegister(g.LoadPrimitive(call[1]));
            var result = g.AllocateHardware(v);
            using var command = g.BeginCommand("atom.acq_rel.gpu.global.add.s32");
            command.AppendArgument(result);
            command.AppendArgumentValue(address);
            command.AppendArgument(value);
        }

        private static void AwaitPrevious(PTXBackend b, PTXCodeGenerator g, Value v) => FromSm90(b, g, "griddepcontrol.wait");

        private static void ReleaseNext(PTXBackend b, PTXCodeGenerator g, Value v) => FromSm90(b, g, "griddepcontrol.launch_dependents");

        private static void FromSm90(PTXBackend b, PTXCodeGenerator g, string operation)
        {
            if (b.Architecture < CudaArchitecture.SM_90) return;
            using var command = g.BeginCommand(operation);
        }

        private static void Operate(PTXCodeGenerator g, Value v, string operation, int? table = null)
        {
            var call = (MethodCall)v;
            var operands = new PTXCodeGenerator.PrimitiveRegister[call.Count];
            for (var i = 0; i < operands.Length; i++) operands[i] = g.EnsureHardwareRegister(g.LoadPrimitive(call[i]));
            var result = g.AllocateHardware(v);
            using var command = g.BeginCommand(operation);
            command.AppendArgument(result);
            foreach (var operand in operands) command.AppendArgument(operand);
            if (table is { } truth) command.AppendConstant(truth);
        }

        private static void Load(PTXCodeGenerator g, Value v, string operation)
        {
            var address = g.LoadHardware(((MethodCall)v)[0]);
            var result = g.AllocateHardware(v);
            using var command = g.BeginCommand(operation);
            command.AppendArgument(result);
            command.AppendArgumentValue(address);
        }

        private static void Load4(PTXCodeGenerator g, Value v, string operation)
        {
            var address = g.LoadHardware(((MethodCall)v)[0]);
            var result = (PTXCodeGenerator.CompoundRegister)g.Allocate(v);
            using var command = g.BeginCommand(operation);
            command.AppendVectorArgument(result.SliceAs<PTXCodeGenerator.PrimitiveRegister>(0, 4));
            command.AppendArgumentValue(address);
        }

        private static void Store(PTXCodeGenerator g, Value v, string operation)
        {
            var call = (MethodCall)v;
            var address = g.LoadHardware(call[0]);
            var value = g.EnsureHardwareRegister(g.LoadPrimitive(call[1]));
            using var command = g.BeginCommand(operation);
            command.AppendArgumentValue(address);
            command.AppendArgument(value);
        }
    }
}
