namespace WarpDecode.Kernels.Gpu;

// Products with plain matrices: embedding, projections, head.
internal sealed unsafe partial class CudaBackend
{
    public void Embed(Step step, Weight table, Tensor x)
    {
        var w = (DeviceWeight)table;
        w.Kernels.Embed.Launch(
            new EmbedArgs { Table = w.Address, Tokens = Inputs(step).Tokens, X = DeviceTensor.Of(x), RowBytes = w.RowBytes, Columns = w.Columns },
            step.Count, Blocks(w.Columns / w.Kernels.UnitValues, Rows.Threads));
    }

    public void NormProject(Step step, Tensor x, Tensor norm, float epsilon, ReadOnlySpan<Weight> weights, Tensor y)
    {
        var stride = 0;
        foreach (var weight in weights) stride += weight.Rows;
        var args = new ProjectArgs
        {
            X = DeviceTensor.Of(x),
            Norm = DeviceTensor.Of(norm),
            Y = DeviceTensor.Of(y),
            Stride = stride,
            Tokens = step.Count,
            Epsilon = epsilon,
        };
        // One launch for neighbours of the same type, three at most.
        while (weights.Length > 0)
        {
            var count = 1;
            while (count < weights.Length && count < 3 && weights[count].Type == weights[0].Type) count++;
            var first = (DeviceWeight)weights[0];
            args.W0 = first.Address;
            args.Rows0 = first.Rows;
            (args.W1, args.Rows1) = count > 1 ? (((DeviceWeight)weights[1]).Address, weights[1].Rows) : (0, 0);
            (args.W2, args.Rows2) = count > 2 ? (((DeviceWeight)weights[2]).Address, weights[2].Rows) : (0, 0);
            Project(first, args, norm: true);
            args.Y += (args.Rows0 + args.Rows1 + args.Rows2) * (long)sizeof(float);
            weights = weights[count..];
        }
    }

    public void ProjectAdd(Step step, Tensor y, Weight weight, Tensor x)
    {
        var w = (DeviceWeight)weight;
        var args = new ProjectArgs { W0 = w.Address, Rows0 = w.Rows, X = DeviceTensor.Of(y), Y = DeviceTensor.Of(x), Stride = w.Rows, Tokens = step.Count };
        Project(w, args, norm: false);
    }

    public void Head(Step step, Tensor x, Tensor norm, float epsilon, Weight output, Tensor logits)
    {
        device.Enter();
        var w = (DeviceWeight)output;
        var rows = step.LogitRows.AsSpan(0, step.LogitCount);
        var args = new ProjectArgs
        {
            W0 = w.Address,
            Rows0 = w.Rows,
            X = DeviceTensor.Of(x),
            Norm = DeviceTensor.Of(norm),
            Y = DeviceTensor.Of(logits),
            Stride = w.Rows,
            Tokens = rows.Length,
            Epsilon = epsilon,
        };
        if (rows.Length == 0) return;
        if (rows[^1] - rows[0] == rows.Length - 1) args.X += (long)rows[0] * w.Columns * sizeof(float); // they follow each other
        else args.Selected = Inputs(step).Select(rows);
        Project(w, args, norm: true);
        (headed, headedLength, mirrored) = (logits, (long)rows.Length * w.Rows, false);
    }

    private void Project(DeviceWeight weight, ProjectArgs args, bool norm)
    {
        args.RowBytes = weight.RowBytes;
        args.Columns = weight.Columns;
        var many = args.Tokens > 1;
        var pairs = ((args.Rows0 + 1) / 2) + ((args.Rows1 + 1) / 2) + ((args.Rows2 + 1) / 2);
        weight.Kernels.Project(norm, many).Launch(args, many ? Blocks(args.Tokens, Gpu.Project.ManyTokens) : args.Tokens, Blocks(pairs, Rows.Warps));
    }
}
