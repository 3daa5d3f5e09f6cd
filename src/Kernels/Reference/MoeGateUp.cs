namespace WarpDecode.Kernels.Reference;

/// <summary>mid[t, k] = silu(gate[e]·h[t]) · (up[e]·h[t]), e = expert k of t.</summary>
internal static unsafe class MoeGateUp
{
    public static void Run(float* h, HostWeight gate, HostWeight up, HostRouting routing, int tokens, float* mid)
    {
        for (var pair = 0; pair < tokens * routing.TopK; pair++)
        {
            var expert = routing.Ids[pair];
            var x = h + ((long)(pair / routing.TopK) * gate.Columns);
            for (var f = 0; f < gate.Rows; f++)
            {
                var g = Project.Dot(gate, expert, f, x);
                mid[((long)pair * gate.Rows) + f] = (float)(g / (1 + Math.Exp(-g)) * Project.Dot(up, expert, f, x));
            }
        }
    }
}
