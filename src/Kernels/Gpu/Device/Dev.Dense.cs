using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;
using ILGPU.IR.Values;

namespace WarpDecode.Kernels.Gpu.Device;

// What the products with plain matrices need besides.
internal static unsafe partial class Dev
{
    /// <summary>Eight bytes, at once, that another block may read while this kernel runs.</summary>
    [IntrinsicImplementation]
    public static void StoreFresh(long address, long value) => Volatile.Write(ref *(long*)address, value);

    [IntrinsicImplementation]
    public static void StoreU4(long address, U4 value) => *(U4*)address = value;

    private static partial class Emit
    {
        private static void StoreFresh(PTXBackend b, PTXCodeGenerator g, Value v) => Store(g, v, "st.relaxed.gpu.global.b64");

        private static void StoreU4(PTXBackend b, PTXCodeGenerator g, Value v)
        {
            var call = (MethodCall)v;
            var address = g.LoadHardware(call[0]);
            var values = g.LoadAs<PTXCodeGenerator.CompoundRegister>(call[1]).SliceAs<PTXCodeGenerator.PrimitiveRegister>(0, 4);
            for (var i = 0; i < values.Length; i++) values[i] = g.EnsureHardwareRegister(values[i]);
            using var command = g.BeginCommand("st.global.v4.b32");
            command.AppendArgumentValue(address);
            command.AppendVectorArgument(values);
        }
    }
}
