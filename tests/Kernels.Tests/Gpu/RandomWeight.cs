using System.Runtime.InteropServices;
using WarpDecode.Formats;

namespace WarpDecode.Kernels.Tests.Gpu;

/// <summary>A tensor of random weights of any type, as a file would hold it.</summary>
internal sealed unsafe class RandomWeight : IDisposable
{
    private readonly byte* data;

    public RandomWeight(WeightType type, long[] shape, Random random)
    {
        var count = shape.Aggregate(1L, (a, b) => a * b);
        var bytes = type.RowBytes(count);
        data = (byte*)NativeMemory.AlignedAlloc((nuint)bytes, 64);
        var span = new Span<byte>(data, checked((int)bytes));
        random.NextBytes(span);
        switch (type)
        {
            case WeightType.F32:
                foreach (ref var value in MemoryMarshal.Cast<byte, float>(span)) value = Uniform(random);
                break;
            case WeightType.F16:
                foreach (ref var value in MemoryMarshal.Cast<byte, Half>(span)) value = (Half)Uniform(random);
                break;
            case WeightType.BF16:
                foreach (ref var value in MemoryMarshal.Cast<byte, ushort>(span)) value = (ushort)(BitConverter.SingleToUInt32Bits(Uniform(random)) >> 16);
                break;
            default:
                int[] scales = type switch { WeightType.Q4_K => [0, 2], WeightType.Q6_K => [208], _ => [0] };
                for (var at = 0; at < bytes; at += type.BlockBytes())
                {
                    foreach (var scale in scales) BitConverter.TryWriteBytes(span[(at + scale)..], (Half)(Uniform(random) * 0.01f));
                }
                break;
        }
        View = new TensorView("random", type, shape, 0, bytes, data);
    }

    public TensorView View { get; }

    public void Dispose() => NativeMemory.AlignedFree(data);

    private static float Uniform(Random random) => (2 * random.NextSingle()) - 1;
}
