using System.Runtime.CompilerServices;
using ILGPU;

namespace WarpDecode.Kernels.Gpu.Device;

// From FP32 to bfloat16.
internal static unsafe partial class Dev
{
    /// <summary>The nearest bfloat16, of two the even one, as FP32; for finite values.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float RoundToBFloat(float value)
    {
        var bits = Interop.FloatAsInt(value);
        return Interop.IntAsFloat((bits + 0x7FFFu + ((bits >> 16) & 1)) & 0xFFFF0000u);
    }
}
