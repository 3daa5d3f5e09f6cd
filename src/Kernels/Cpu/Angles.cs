namespace WarpDecode.Kernels.Cpu;

/// <summary>cos and sin of position · frequency, once a step for all layers. The product is FP32, as the models were trained.</summary>
internal static unsafe class Angles
{
    public static void Run(Step step, float* frequencies, int count, float* angles)
    {
        for (var t = 0; t < step.Count; t++)
        {
            var cos = angles + ((long)t * 2 * count);
            for (var i = 0; i < count; i++)
            {
                var (sine, cosine) = Math.SinCos(step.Positions[t] * frequencies[i]);
                cos[i] = (float)cosine;
                cos[count + i] = (float)sine;
            }
        }
    }
}
