using System.Numerics;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

// The router and the expert FFN.
internal sealed unsafe partial class CudaBackend
{
    // Whose router's work is known to be done when a kernel that is queued now begins.
    private DeviceRouting? settled;

    // What the router's launch has left as digits too; whether anybody has ever asked for digits of its output.
    private Tensor? routedDigits;
    private bool wantsDigits;

    private Kernel<GroupsArgs>? groups;
    private Kernel<TileDownArgs>? combine;
    private Kernel<GroupedTermsArgs>? groupedTerms;
    private Kernel<GroupedGateUpArgs>? groupedGateUp;
    private Kernel<GroupedDownArgs>? groupedDown;
    private Kernel<MoeDownArgs>? combinedDown;
    private (long Address, long Bytes) terms;

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
            Chosen = routes.Chosen,
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
        (settled, routes.Grouped, routedDigits, aligned) = (null, false, null, null);
        var tile = step.Count > 1 ? Gpu.Route.ManyTokens : 1;
        if (wantsDigits && w.Columns % Digits.Values == 0)
        {
            args.Digits = RoutedDigits(step, w.Columns);
            routedDigits = h;
        }
        var slots = step.Count * spec.TopK;
        if (tile > 1 && GroupsInRouter(slots, w.Rows))
        {
            (args.Offsets, args.Active, args.Runs, args.Slots) = (routes.Offsets, routes.Active, routes.Runs, routes.Slots);
            routes.Grouped = true;
        }
        w.Kernels.Route(tile > 1).Launch(args, Blocks(step.Count, tile), Blocks(w.Rows, tile));
    }

    public void MoeGateUp(Step step, Tensor h, Weight gate, Weight up, Routing routing, Tensor mid)
    {
        var (g, u, routes) = ((DeviceWeight)gate, (DeviceWeight)up, (DeviceRouting)routing);
        if (g.Type != u.Type) throw Unsupported($"{gate.Name} is {gate.Type} and {up.Name} {up.Type}: the cuda backend needs both of one type");
        if (IsConventional)
        {
            ConventionalGateUp(step, h, g, u, routes, mid);
            return;
        }
        h = Activations(h, (long)step.Count * g.Columns);
        if (g.Tiles is not null && u.Tiles is not null)
        {
            GateUpTiles(step, h, g, u, routes, mid);
            return;
        }
        if (IsGrouped(step, g))
        {
            GateUpGrouped(step, h, g, u, routes, mid);
            return;
        }
        var shared = g.Kernels.IsFloat && step.Count > DispatchOf(g, routes).GateUpAlone;
        if (shared) Group(step, routes);
        settled = routes;
        var args = new MoeGateUpArgs
        {
            Gate = g.Address,
            Up = u.Address,
            X = DeviceTensor.Of(h),
            Ids = routes.Ids,
            Mid = DeviceTensor.Of(mid),
            RowBytes = g.RowBytes,
            Columns = g.Columns,
            Ff = g.Rows,
            TopK = routes.TopK,
            Offsets = routes.Offsets,
            Active = routes.Active,
            Slots = routes.Slots,
        };
        if (shared) g.Kernels.SharedGateUp.Launch(args, Blocks(g.Rows, 2 * Rows.Warps), MostActive(step, routes));
        else g.Kernels.GateUp.Launch(args, step.Count * routes.TopK, Blocks(g.Rows, g.Kernels.IsFloat ? 2 * Rows.Warps : Rows.Warps));
    }

    public void MoeDown(Step step, Tensor mid, Weight down, Routing routing, Tensor x)
    {
        var (w, routes) = ((DeviceWeight)down, (DeviceRouting)routing);
        if (IsConventional)
        {
            ConventionalDown(step, mid, w, routes, x);
            return;
        }
        mid = Activations(mid, (long)step.Count * routes.TopK * w.Columns);
        if (w.Tiles is not null)
        {
            DownTiles(step, mid, w, routes, x);
            return;
        }
        if (routes.TopK > 32) throw Unsupported($"{routes.TopK} experts a token: the cuda backend takes at most 32");
        var perSlot = w.Columns / w.Kernels.UnitValues;
        if ((long)perSlot * perSlot * routes.TopK >= 1L << 32) throw Unsupported($"{down.Name}: rows of {down.Columns} weights are too long for the cuda backend");
        var (tensorCores, shared) = (IsGrouped(step, w), w.Kernels.IsFloat && step.Count > DispatchOf(w, routes).DownAlone);
        if (tensorCores || shared) Group(step, routes);
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
            Early = settled == routes ? 1 : 0,
            Offsets = routes.Offsets,
            Active = routes.Active,
            Slots = routes.Slots,
        };
        if (!tensorCores && !shared)
        {
            if (w.Kernels.IsFloat && (step.Count > 1 || routes.TopK > Rows.Warps || w.Rows % Gpu.MoeDown.AloneRows != 0))
            {
                w.Kernels.FewDown(w.Columns).Launch(args, step.Count, Blocks(w.Rows, Gpu.MoeDown.FewRows));
                return;
            }
            args.SlotBits = BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)Math.Min(routes.TopK, Rows.Warps)));
            w.Kernels.Down.Launch(args, step.Count, Blocks(w.Rows, w.Kernels.IsFloat ? Gpu.MoeDown.AloneRows * (Rows.Warps >> args.SlotBits) : Rows.Warps));
            return;
        }
        args.Outputs = Room(ref partial, (long)step.Count * routes.TopK * w.Rows * sizeof(float), "activations");
        if (tensorCores) DownGrouped(step, mid, w, routes, args.Outputs);
        else w.Kernels.SharedDown.Launch(args, Blocks(w.Rows, Gpu.MoeDown.SharedRows), MostActive(step, routes));
        combinedDown ??= device.Compile<MoeDownArgs>(Gpu.MoeDown.Combine);
        combinedDown.Launch(args, step.Count, Blocks(w.Rows, Rows.Threads));
    }

    /// <summary>Whether the router's launch can find the slots of each expert.</summary>
    private static bool GroupsInRouter(int slots, int experts) => slots <= Gpu.Route.MostGrouped && experts <= Gpu.Route.MostGrouped;

    /// <summary>
    /// Whether a step has several tokens of one sequence, and bfloat16 experts are multiplied on tensor cores: whatever the number of
    /// tokens, so that a prompt's bits do not depend on how it is cut. A decode step's never are.
    /// </summary>
    private bool IsGrouped(Step step, DeviceWeight weight) => weight.Type == WeightType.BF16 && device.Capability >= 80 && !step.IsDecode;

    /// <summary>Bounds the experts that have slots.</summary>
    private static int MostActive(Step step, Routing routing) => Math.Min(step.Count * routing.TopK, routing.Experts);

    private void GateUpGrouped(Step step, Tensor h, DeviceWeight gate, DeviceWeight up, DeviceRouting routes, Tensor mid)
    {
        Group(step, routes);
        groupedGateUp ??= device.Compile<GroupedGateUpArgs>(GroupedGateUp.Run);
        groupedGateUp.Launch(
            new GroupedGateUpArgs
            {
                Gate = gate.Address,
                Up = up.Address,
                X = Terms(h, step.Count, gate.Columns),
                Offsets = routes.Offsets,
                Active = routes.Active,
                Slots = routes.Slots,
                Mid = DeviceTensor.Of(mid),
                Columns = gate.Columns,
                Ff = gate.Rows,
                TopK = routes.TopK,
            },
            Blocks(gate.Rows, GroupedGateUp.BlockRows), MostActive(step, routes));
    }

    private void DownGrouped(Step step, Tensor mid, DeviceWeight down, DeviceRouting routes, long outputs)
    {
        groupedDown ??= device.Compile<GroupedDownArgs>(GroupedDown.Run);
        groupedDown.Launch(
            new GroupedDownArgs
            {
                Down = down.Address,
                Mid = Terms(mid, step.Count * routes.TopK, down.Columns),
                Offsets = routes.Offsets,
                Active = routes.Active,
                Slots = routes.Slots,
                Outputs = outputs,
                Columns = down.Columns,
                Rows = down.Rows,
            },
            Blocks(down.Rows, GroupedDown.BlockRows), MostActive(step, routes));
    }

    /// <summary>Vectors as two bfloat16 terms; returns where they will be.</summary>
    private long Terms(Tensor from, int vectors, int columns)
    {
        groupedTerms ??= device.Compile<GroupedTermsArgs>(GroupedTerms.Run);
        var to = Room(ref terms, (long)vectors * columns * sizeof(float), "activations");
        groupedTerms.Launch(new GroupedTermsArgs { From = DeviceTensor.Of(from), To = to, Columns = columns }, vectors, Blocks(columns, GroupedTerms.BlockColumns));
        return to;
    }

    private void GateUpTiles(Step step, Tensor h, DeviceWeight gate, DeviceWeight up, DeviceRouting routes, Tensor mid)
    {
        var args = new TileGateUpArgs
        {
            Gate = gate.Address,
            Up = up.Address,
            Ids = routes.Ids,
            Offsets = routes.Offsets,
            Active = routes.Active,
            Runs = routes.Runs,
            Slots = routes.Slots,
            Mid = DeviceTensor.Of(mid),
            Tiles = gate.Rows / Tiles.Rows,
            PerRow = gate.Columns / Tiles.Columns,
            Magic = ((1L << 32) / routes.TopK) + 1,
        };
        args.ClassMagic = (65536 / Math.Min(args.PerRow, TileGateUp.Warps)) + 1;
        args.X = RoutedDigits(step, gate.Columns);
        if (routedDigits != h)
        {
            // From the next time on the router's launch does it.
            SplitRows(new SplitArgs { X = DeviceTensor.Of(h), To = args.X, PerRow = args.PerRow, Rows = step.Count }, norm: false);
            (wantsDigits, routedDigits) = (options.Experts == ExpertForm.Warp, h);
        }
        var dispatch = DispatchOf(gate, routes);
        if (step.Count > Math.Min(dispatch.GateUpAlone, dispatch.DownAlone)) Group(step, routes);
        settled = routes;
        if (step.Count <= dispatch.GateUpAlone)
        {
            gate.Tiles!.GateUpFew.Launch(args, step.Count * routes.TopK, args.Tiles);
            return;
        }
        gate.Tiles!.GateUpMany(args.PerRow, step.Count >= dispatch.GateUpPrompt).Launch(
            args, Blocks(args.Tiles, TileGateUp.Warps / Math.Min(args.PerRow, TileGateUp.Warps)), MostActive(step, routes));
    }

    /// <summary>Where the router's output is as <see cref="Digits"/>.</summary>
    private long RoutedDigits(Step step, int columns) =>
        Room(ref routed, (long)step.Count * (columns / Digits.Values) * Digits.RecordBytes, "activations");

    private void DownTiles(Step step, Tensor mid, DeviceWeight down, DeviceRouting routes, Tensor x)
    {
        var alone = step.Count <= DispatchOf(down, routes).DownAlone;
        if (!alone) Group(step, routes);
        var args = new TileDownArgs
        {
            Down = down.Address,
            Mid = DeviceTensor.Of(mid),
            Ids = routes.Ids,
            Weights = routes.Weights,
            Offsets = routes.Offsets,
            Active = routes.Active,
            Runs = routes.Runs,
            Slots = routes.Slots,
            X = DeviceTensor.Of(x),
            Tiles = down.Rows / Tiles.Rows,
            PerRow = down.Columns / Tiles.Columns,
            TopK = routes.TopK,
            Early = settled == routes ? 1 : 0,
        };
        args.ClassMagic = (65536 / Math.Min(args.PerRow, TileDown.MaxClasses)) + 1;
        if (alone)
        {
            if (Math.Min(args.PerRow, TileDown.MaxClasses) * routes.TopK > TileDown.MaxItems) throw Unsupported($"{down.Name}: {routes.TopK} experts a token are too many for the cuda backend");
            down.Tiles!.DownFew(args.PerRow, args.TopK).Launch(args, step.Count, args.Tiles);
            return;
        }
        var slots = step.Count * routes.TopK;
        args.Mid = Room(ref midDigits, (long)slots * args.PerRow * Digits.RecordBytes, "activations");
        args.Partial = Room(ref partial, (long)slots * down.Rows * sizeof(float), "activations");
        SplitRows(new SplitArgs { X = DeviceTensor.Of(mid), To = args.Mid, PerRow = args.PerRow, Rows = slots }, norm: false);
        var (kernel, tiles) = down.Tiles!.DownMany(args.PerRow);
        kernel.Launch(args, Blocks(args.Tiles, tiles), MostActive(step, routes));
        combine ??= device.Compile<TileDownArgs>(TileDown.Combine);
        combine.Launch(args, step.Count, Blocks(down.Rows, TileDown.CombineColumns));
    }

    /// <summary>Finds the slots of each expert, unless that is done.</summary>
    private void Group(Step step, DeviceRouting routes)
    {
        if (routes.Grouped) return;
        (settled, routes.Grouped) = (null, true);
        groups ??= device.Compile<GroupsArgs>(Groups.Run);
        groups.Launch(
            new GroupsArgs
            {
                Ids = routes.Ids,
                Offsets = routes.Offsets,
                Active = routes.Active,
                Runs = routes.Runs,
                Slots = routes.Slots,
                Count = step.Count * routes.TopK,
                Experts = routes.Experts,
            },
            Blocks(routes.Experts, Rows.Warps));
    }
}
