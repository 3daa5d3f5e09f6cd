using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;

namespace WarpDecode.Kernels.Gpu.Device;

/// <content>Numbers of 64 bits.</content>
internal static unsafe partial class Dev
{
    /// <summary>A number that another block may have written while this kernel runs.</summary>
    [IntrinsicImplementation]
    public static ulong LoadFreshLong(long address) => Volatile.Read(ref *(ulong*)address);

    [IntrinsicImplementation]
    public static void StoreLong(long address, ulong value) => *(ulong*)address = value;

    private static partial class Emit
    {
        private static void LoadFreshLong(PTXBackend b, PTXCodeGenerator g, Value v) => Load(g, v, "ld.relaxed.gpu.global.b64");

        private static void StoreLong(PTXBackend b, PTXCodeGenerator g, Value v) => Store(g, v, "st.global.b64");
    }
}
