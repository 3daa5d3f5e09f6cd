namespace WarpDecode.Kernels.Reference;

/// <summary>x[t] += Σₖ weight(t, k) · down[e]·mid[t, k], e = expert k of t.</summary>
internal static unsafe class MoeDown
{
    public static void Run(float* mid, HostWeight down, HostRouting routing, int tokens, float* x)
    {
        for (var t = 0; t < tokens; t++)
        {
            for (var r = 0; r < down.Rows; r++)
            {
                var sum = 0.0;
                for (var k = 0; k < routing.TopK; k++)
                {
                    var pair = (t * routing.TopK) + k;
                    sum += routing.Weights[pair] * Project.Dot(down, routing.Ids[pair], r, mid + ((long)pair * down.Columns));
                }
                x[((long)t * down.Rows) + r] += (float)sum;
            }
        }
    }
}
