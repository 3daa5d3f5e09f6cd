using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

// The router and the expert FFN.
internal sealed unsafe partial class CudaBackend
{
    private Kernel<GroupsArgs>? groups;

    public void Route(Step step, Tensor x, Tensor norm, float epsilon, Weight router, in RouterSpec spec, Tensor h, Routing routing)
    {
        var (w, routes) = ((DeviceWeight)router, (DeviceRouting)routing);
        var args = new RouteArgs
        {
            X = DeviceTensor.Of(x),
            Norm = DeviceTensor.Of(norm),
            Router = w.Address,
            H = DeviceTensor.Of(h),
            Scores = routes.Scores,
            Arrived = routes.Arrived,
            Ids = routes.Ids,
            Weights = routes.Weights,
            RowBytes = w.RowBytes,
            Columns = w.Columns,
            Experts = w.Rows,
            TopK = spec.TopK,
            Normalize = spec.Normalize ? 1 : 0,
            Epsilon = epsilon,
        };
        w.Kernels.Route.Launch(args, step.Count, Blocks(w.Rows, Rows.Warps));
        if (step.Count > 1) Group(step, routes);
    }

    public void MoeGateUp(Step step, Tensor h, Weight gate, Weight up, Routing routing, Tensor mid)
    {
        var (g, u) = ((DeviceWeight)gate, (DeviceWeight)up);
        if (g.Type != u.Type) throw Unsupported($"{gate.Name} is {gate.Type} and {up.Name} {up.Type}: the cuda backend needs both of one type");
        var args = new MoeGateUpArgs
        {
            Gate = g.Address,
            Up = u.Address,
            X = DeviceTensor.Of(h),
            Ids = ((DeviceRouting)routing).Ids,
            Mid = DeviceTensor.Of(mid),
            RowBytes = g.RowBytes,
            Columns = g.Columns,
            Ff = g.Rows,
            TopK = routing.TopK,
        };
        g.Kernels.GateUp.Launch(args, step.Count * routing.TopK, Blocks(g.Rows, Rows.Warps));
    }

    public void MoeDown(Step step, Tensor mid, Weight down, Routing routing, Tensor x)
    {
        var (w, routes) = ((DeviceWeight)down, (DeviceRouting)routing);
        var perSlot = w.Columns / w.Kernels.UnitValues;
        if ((long)perSlot * perSlot * routes.TopK >= 1L << 32) throw Unsupported($"{down.Name}: rows of {down.Columns} weights are too long for the cuda backend");
        var args = new MoeDownArgs
        {
            Down = w.Address,
            Mid = DeviceTensor.Of(mid),
            Ids = routes.Ids,
            Weights = routes.Weights,
            X = DeviceTensor.Of(x),
            RowBytes = w.RowBytes,
            Magic = ((1L << 32) / perSlot) + 1,
            Columns = w.Columns,
            Rows = w.Rows,
            TopK = routes.TopK,
        };
        w.Kernels.Down.Launch(args, step.Count, Blocks(w.Rows, Rows.Warps));
    }

    private void Group(Step step, DeviceRouting routes)
    {
        groups ??= device.Compile<GroupsArgs>(Groups.Run);
        groups.Launch(
            new GroupsArgs
            {
                Ids = routes.Ids,
                Offsets = routes.Offsets,
                Active = routes.Active,
                Slots = routes.Slots,
                Count = step.Count * routes.TopK,
                Experts = routes.Experts,
            },
            Blocks(routes.Experts, Rows.Warps));
    }
}
