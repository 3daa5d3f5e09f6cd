using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

// The router and the expert FFN.
internal sealed unsafe partial class CudaBackend
{
    // From more tokens on an expert's tokens share its weights.
    private const int FewTokens = 4;

    // Whose router's work is known to be done when a kernel that is queued now begins.
    private DeviceRouting? settled;

    private Kernel<GroupsArgs>? groups;
    private Kernel<TileDownArgs>? combine;

    public void Route(Step step, Tensor x, Tensor norm, float epsilon, Weight router, in RouterSpec spec, Tensor h, Routing routing)
    {
        var (w, routes) = (InRows(router), (DeviceRouting)routing);
        var args = new RouteArgs
        {
            X = DeviceTensor.Of(x),
            Norm = DeviceTensor.Of(norm),
            Router = w.Address,
            H = DeviceTensor.Of(h),
            Scores = routes.Scores,
            Launches = routes.Launches,
            Ids = routes.Ids,
            Weights = routes.Weights,
            RowBytes = w.RowBytes,
            Columns = w.Columns,
            Tokens = step.Count,
            Experts = w.Rows,
            TopK = spec.TopK,
            Normalize = spec.Normalize ? 1 : 0,
            Epsilon = epsilon,
        };
        settled = null;
        var tile = step.Count > 1 ? Gpu.Route.ManyTokens : 1;
        w.Kernels.Route(tile > 1).Launch(args, Blocks(step.Count, tile), Blocks(w.Rows, tile));
        if (step.Count > 1) Group(step, routes);
    }

    public void MoeGateUp(Step step, Tensor h, Weight gate, Weight up, Routing routing, Tensor mid)
    {
        var (g, u) = ((DeviceWeight)gate, (DeviceWeight)up);
        if (g.Type != u.Type) throw Unsupported($"{gate.Name} is {gate.Type} and {up.Name} {up.Type}: the cuda backend needs both of one type");
        if (g.Tiles is not null && u.Tiles is not null)
        {
            GateUpTiles(step, h, g, u, (DeviceRouting)routing, mid);
            return;
        }
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
        if (w.Tiles is not null)
        {
            DownTiles(step, mid, w, routes, x);
            return;
        }
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

    private void GateUpTiles(Step step, Tensor h, DeviceWeight gate, DeviceWeight up, DeviceRouting routes, Tensor mid)
    {
        var args = new TileGateUpArgs
        {
            Gate = gate.Address,
            Up = up.Address,
            X = DeviceTensor.Of(h),
            Ids = routes.Ids,
            Offsets = routes.Offsets,
            Active = routes.Active,
            Slots = routes.Slots,
            Mid = DeviceTensor.Of(mid),
            Tiles = gate.Rows / Tiles.Rows,
            PerRow = gate.Columns / Tiles.Columns,
            TopK = routes.TopK,
            Magic = ((1L << 32) / routes.TopK) + 1,
        };
        settled = routes;
        if (step.Count <= FewTokens)
        {
            gate.Tiles!.GateUpFew.Launch(args, step.Count * routes.TopK, args.Tiles);
            return;
        }
        args.X = Room(ref digits, (long)step.Count * args.PerRow * Digits.RecordBytes, "activations");
        SplitRows(new SplitArgs { X = DeviceTensor.Of(h), To = args.X, PerRow = args.PerRow, Rows = step.Count }, norm: false);
        gate.Tiles!.GateUpMany.Launch(args, Blocks(args.Tiles, TileGateUp.Warps / Math.Min(args.PerRow, TileGateUp.Warps)), Math.Min(routes.Experts, step.Count * routes.TopK));
    }

    private void DownTiles(Step step, Tensor mid, DeviceWeight down, DeviceRouting routes, Tensor x)
    {
        var args = new TileDownArgs
        {
            Down = down.Address,
            Mid = DeviceTensor.Of(mid),
            Ids = routes.Ids,
            Weights = routes.Weights,
            Offsets = routes.Offsets,
            Active = routes.Active,
            Slots = routes.Slots,
            X = DeviceTensor.Of(x),
            Tiles = down.Rows / Tiles.Rows,
            PerRow = down.Columns / Tiles.Columns,
            TopK = routes.TopK,
            Early = settled == routes ? 1 : 0,
        };
        if (step.Count <= FewTokens)
        {
            if (Math.Min(args.PerRow, TileDown.MaxClasses) * routes.TopK > TileDown.MaxItems) throw Unsupported($"{down.Name}: {routes.TopK} experts a token are too many for the cuda backend");
            down.Tiles!.DownFew.Launch(args, step.Count, args.Tiles);
            return;
        }
        var slots = step.Count * routes.TopK;
        args.Mid = Room(ref midDigits, (long)slots * args.PerRow * Digits.RecordBytes, "activations");
        args.Partial = Room(ref partial, (long)slots * down.Rows * sizeof(float), "activations");
        SplitRows(new SplitArgs { X = DeviceTensor.Of(mid), To = args.Mid, PerRow = args.PerRow, Rows = slots }, norm: false);
        var (kernel, tiles) = down.Tiles!.DownMany(args.PerRow);
        kernel.Launch(args, Blocks(args.Tiles, tiles), Math.Min(routes.Experts, slots));
        combine ??= device.Compile<TileDownArgs>(TileDown.Combine);
        combine.Launch(args, step.Count, Blocks(down.Rows, 1024));
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
