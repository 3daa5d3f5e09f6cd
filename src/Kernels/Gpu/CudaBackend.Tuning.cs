using WarpDecode.Formats;

namespace WarpDecode.Kernels.Gpu;

// Which kernels a step's tokens take through the experts: measured once for a device and a shape.
internal sealed unsafe partial class CudaBackend
{
    // Different routes and layers in one measurement, fewer where one launch reads more than the second-level cache holds: as in a model,
    // weights are to come from memory.
    private const int MostLaunches = 8;
    private const int FewLaunches = 4;
    private const int FewLaunchesTokens = 8; // from so many on

    private readonly List<(ExpertShape Shape, string Text)> tuned = [];
    private readonly ExpertCache? measured;

    public string? Experts => tuned.Count == 0 ? null : InWords(tuned);

    public void TuneExperts(ReadOnlySpan<ExpertWeights> layers, int topK, Tensor h, Tensor mid, Tensor x, Action measuring, CancellationToken cancellation)
    {
        var shapes = new Dictionary<ExpertShape, List<ExpertWeights>>();
        foreach (var layer in layers)
        {
            var shape = ShapeOf((DeviceWeight)layer.Gate, (DeviceWeight)layer.Up, (DeviceWeight)layer.Down, topK);
            if (!shapes.TryGetValue(shape, out var same)) shapes.Add(shape, same = []);
            same.Add(layer);
        }
        tuned.Clear();
        foreach (var (shape, same) in shapes)
        {
            var dispatch = measured?.Find(shape);
            if (dispatch is null && measured is not null && options.Alone is null && (shape.GateUpChoice || shape.DownChoice))
            {
                measuring();
                (dispatch, var timings) = MeasureExperts(shape, same, h, mid, x, cancellation);
                // A step too small for all that matters says nothing about larger ones, which others may have.
                if (Capacity(shape, h, mid, x) >= ExpertTuner.MostTokens(shape, int.MaxValue)) measured.Put(shape, dispatch, timings);
            }
            tuned.Add((shape, Explain(shape, dispatch)));
            dispatch = Wanted(shape, dispatch);
            foreach (var layer in same) Take(layer, dispatch);
        }
    }

    /// <summary>What would be taken for layers whose gates and downs these are, in words; nothing is loaded or measured.</summary>
    public string ExpertsOf(IEnumerable<(TensorView Gate, TensorView Down)> layers, int topK)
    {
        var shapes = layers.Select(l => new ExpertShape(
            l.Gate.Type, l.Down.Type, options.ExactTiles && TilesFor(l.Gate) is not null, options.ExactTiles && TilesFor(l.Down) is not null,
            checked((int)l.Gate.Shape[0]), topK, checked((int)l.Gate.Shape[^1]), checked((int)l.Gate.Shape[^2])));
        return InWords([.. shapes.Distinct().Select(s => (s, Explain(s, measured?.Find(s))))]);
    }

    /// <summary>Times the ways through experts of a shape, whatever is known of it.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="layers">Experts of that shape; the first few are used.</param>
    /// <param name="h">Overwritten; holds as many tokens as a step can have.</param>
    /// <param name="mid">Overwritten likewise.</param>
    /// <param name="x">Overwritten likewise.</param>
    /// <param name="cancellation">Ends it.</param>
    internal (ExpertDispatch Dispatch, ExpertTimings Timings) MeasureExperts(
        ExpertShape shape, IReadOnlyList<ExpertWeights> layers, Tensor h, Tensor mid, Tensor x, CancellationToken cancellation)
    {
        device.Enter();
        device.EndUploads();
        var capacity = Capacity(shape, h, mid, x);
        var most = ExpertTuner.MostTokens(shape, capacity);
        if (most == 0) return (ExpertDispatch.Default(shape), new ExpertTimings([], [], []));
        var random = new Random(1);
        Write(h, 0, [.. Enumerable.Range(0, most * shape.Hidden).Select(_ => (2 * random.NextSingle()) - 1)]);
        DeviceRouting[] routings = [.. Enumerable.Range(0, MostLaunches).Select(_ => RandomRoutes(random, most, shape))];
        var step = new Step(most, most, 1);
        try
        {
            var timings = ExpertTuner.Measure(shape, capacity, Time, cancellation);
            return (ExpertTuner.Choose(shape, timings), timings);
        }
        finally
        {
            foreach (var layer in layers) Take(layer, null);
            foreach (var routes in routings) routes.Free();
            (settled, routedDigits) = (null, null);
        }

        double Time(ExpertWay way, int tokens)
        {
            step.Clear();
            for (var t = 0; t < tokens; t++)
            {
                step.AddSequence([0]);
                step.AddToken(0, 0);
            }
            var alone = way is ExpertWay.GateUpAlone or ExpertWay.DownAlone;
            var most = alone ? ExpertDispatch.Always : 0;
            var forced = new ExpertDispatch(most, most, way == ExpertWay.GateUpPrompt ? 1 : ExpertDispatch.Always);
            foreach (var layer in layers) Take(layer, forced);
            // Found by the call that is not timed. In a step of few tokens the router's launch has found the slots by expert, and has the digits; for
            // more the slots take a launch of its own, which counts.
            var found = GroupsInRouter(tokens * shape.TopK, shape.Experts);
            foreach (var routes in routings) routes.Grouped = false;
            routedDigits = null;
            var launches = tokens < FewLaunchesTokens ? MostLaunches : FewLaunches;
            return device.Microseconds(Queue, repeats: 3, warm: 1) / launches;

            void Queue()
            {
                for (var i = 0; i < launches; i++)
                {
                    var (layer, routes) = (layers[i % layers.Count], routings[i]);
                    if (!found) routes.Grouped = false;
                    settled = routes;
                    if (way is ExpertWay.DownAlone or ExpertWay.DownTogether) MoeDown(step, mid, layer.Down, routes, x);
                    else MoeGateUp(step, h, layer.Gate, layer.Up, routes, mid);
                }
            }
        }
    }

    /// <summary>The shape of a layer's experts.</summary>
    internal static ExpertShape ShapeOf(DeviceWeight gate, DeviceWeight up, DeviceWeight down, int topK) => new(
        gate.Type, down.Type, gate.Tiles is not null && up.Tiles is not null, down.Tiles is not null, gate.Experts, topK, gate.Columns, gate.Rows);

    /// <summary>What a weight of experts takes: what was measured for its layer or, where nobody has asked for that, the default.</summary>
    private ExpertDispatch DispatchOf(DeviceWeight weight, Routing routing)
    {
        if (weight.Dispatch is { } known) return known;
        var tiles = weight.Tiles is not null;
        var shape = new ExpertShape(weight.Type, weight.Type, tiles, tiles, routing.Experts, routing.TopK, weight.Columns, weight.Rows);
        return weight.Dispatch = Wanted(shape, null);
    }

    /// <summary>Tokens that there is room for.</summary>
    private static int Capacity(in ExpertShape shape, Tensor h, Tensor mid, Tensor x) =>
        (int)Math.Min(Math.Min(h.Length, x.Length) / shape.Hidden, mid.Length / ((long)shape.TopK * shape.Ff));

    private ExpertDispatch Wanted(in ExpertShape shape, ExpertDispatch? found)
    {
        var dispatch = found ?? ExpertDispatch.Default(shape);
        return options.Alone is { } asked ? dispatch.With(asked, shape) : dispatch;
    }

    private string Explain(in ExpertShape shape, ExpertDispatch? found) =>
        !shape.GateUpChoice && !shape.DownChoice ? $"{Wanted(shape, null)}, the only way on FP32 lanes"
        : options.Alone is not null ? $"{Wanted(shape, found)}, as asked for"
        : found is null ? "not measured yet"
        : $"{found}, measured on {device.Name}";

    private static string InWords(IReadOnlyList<(ExpertShape Shape, string Text)> shapes) =>
        string.Join("; ", shapes.Select(s => shapes.Count == 1 ? s.Text : $"{s.Shape.Types}: {s.Text}"));

    private static void Take(in ExpertWeights layer, ExpertDispatch? dispatch)
    {
        ((DeviceWeight)layer.Gate).Dispatch = dispatch;
        ((DeviceWeight)layer.Up).Dispatch = dispatch;
        ((DeviceWeight)layer.Down).Dispatch = dispatch;
    }

    /// <summary>Routes to different experts for each token, all as likely.</summary>
    private DeviceRouting RandomRoutes(Random random, int tokens, in ExpertShape shape)
    {
        var ids = new int[tokens * shape.TopK];
        int[] experts = [.. Enumerable.Range(0, shape.Experts)];
        for (var t = 0; t < tokens; t++)
        {
            for (var k = 0; k < shape.TopK; k++)
            {
                var other = random.Next(k, experts.Length);
                (experts[k], experts[other]) = (experts[other], experts[k]);
                ids[(t * shape.TopK) + k] = experts[k];
            }
        }
        var weights = new float[ids.Length];
        Array.Fill(weights, 1f / shape.TopK);
        var routes = new DeviceRouting(device, tokens, shape.TopK, shape.Experts);
        fixed (int* from = ids) device.Upload(routes.Ids, from, ids.Length * (long)sizeof(int));
        fixed (float* from = weights) device.Upload(routes.Weights, from, weights.Length * (long)sizeof(float));
        return routes;
    }
}
