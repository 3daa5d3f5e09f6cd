using System.CommandLine;
using System.Text.Json;
using WarpDecode.Formats;
using WarpDecode.Runtime;

namespace WarpDecode.Chat.Commands;

/// <summary><c>wd-run info MODEL</c>: what a file holds, and what of it would run where.</summary>
internal static class InfoCommand
{
    public static Command Create()
    {
        var model = ModelArgument.Required();
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var tensors = new Option<bool>("--tensors") { Description = "List every tensor." };
        var command = new Command("info", "Show what a model file holds, without loading it.") { model, json, tensors };
        command.SetAction(parsed =>
        {
            using var file = ModelFile.Open(parsed.GetValue(model)!);
            var summary = ModelSummary.Of(file);
            var backends = summary.Problem is null ? BackendPlan.Of(file) : [];
            if (parsed.GetValue(json)) PrintJson(summary, backends, parsed.GetValue(tensors));
            else Print(summary, backends, parsed.GetValue(tensors));
            return ExitCode.Done;
        });
        return command;
    }

    private static void Print(ModelSummary s, IReadOnlyList<BackendPlan> backends, bool tensors)
    {
        Line("file", $"{s.Path} ({s.Format}, {Bytes(s.FileBytes)})");
        Line("name", s.Name ?? "none");
        Line("architecture", s.Architecture ?? "none");
        Line("parameters", s.ActiveParameters is null ? Count(s.Parameters) : $"{Count(s.Parameters)}, {Count(s.ActiveParameters.Value)} active per token ({Bytes(s.ActiveBytes!.Value)})");
        if (s.Layers is not null)
        {
            Line("shape", $"{s.Layers} layers, hidden {s.Hidden}, {s.Heads} heads ({s.KvHeads} key/value) of {s.HeadDim}, vocabulary {s.Vocabulary}");
            Line("experts", $"{s.Experts} a layer, {s.TopK} used per token, ff {s.Ff}");
            Line("context", $"{s.ContextLength} tokens, {Bytes(s.CacheBytesPerToken!.Value)} of cache each");
        }
        foreach (var type in s.WeightTypes)
        {
            var note = !type.Computable ? " (cannot be computed with yet)"
                : type.Widened is { } widened ? $" (on a GPU exactly widened to {widened}, {Bytes(type.GpuBytes)})"
                : "";
            Line("weights", $"{type.Type}: {type.Tensors} tensors, {Bytes(type.Bytes)}{note}");
        }
        Line("tokenizer", s.Tokenizer);
        Line("template", s.Template);
        if (s.Problem is not null) Line("runs on", "nothing yet: " + s.Problem);
        var label = "runs on"; // the first that is usable is what auto takes
        foreach (var plan in backends.Where(b => b.IsUsable))
        {
            Line(label, $"{plan.Backend} ({plan.Text})");
            label = "";
        }
        foreach (var plan in backends)
        {
            if (plan.Experts is { } experts) Line("experts", $"on {plan.Backend}: {experts}");
        }
        foreach (var plan in backends.Where(b => !b.IsUsable)) Line("not on", $"{plan.Backend}: {plan.Text}");
        if (!tensors) return;
        Console.Out.WriteLine();
        foreach (var t in s.Tensors) Console.Out.WriteLine($"{t}  at {t.Offset}, {t.Bytes} bytes");
    }

    private static void PrintJson(ModelSummary s, IReadOnlyList<BackendPlan> backends, bool tensors)
    {
        using var stdout = Console.OpenStandardOutput();
        using (var w = new Utf8JsonWriter(stdout, new JsonWriterOptions { Indented = true }))
        {
            w.WriteStartObject();
            w.WriteString("file", s.Path);
            w.WriteString("format", s.Format);
            w.WriteNumber("bytes", s.FileBytes);
            w.WriteString("name", s.Name);
            w.WriteString("architecture", s.Architecture);
            w.WriteNumber("parameters", s.Parameters);
            Number(w, "active_parameters", s.ActiveParameters);
            Number(w, "active_bytes", s.ActiveBytes);
            Number(w, "layers", s.Layers);
            Number(w, "hidden", s.Hidden);
            Number(w, "heads", s.Heads);
            Number(w, "kv_heads", s.KvHeads);
            Number(w, "head_dim", s.HeadDim);
            Number(w, "experts", s.Experts);
            Number(w, "experts_used", s.TopK);
            Number(w, "ff", s.Ff);
            Number(w, "vocabulary", s.Vocabulary);
            Number(w, "context", s.ContextLength);
            Number(w, "cache_bytes_per_token", s.CacheBytesPerToken);
            w.WriteStartArray("weight_types");
            foreach (var type in s.WeightTypes)
            {
                w.WriteStartObject();
                w.WriteString("type", type.Type.ToString());
                w.WriteNumber("tensors", type.Tensors);
                w.WriteNumber("bytes", type.Bytes);
                w.WriteBoolean("computable", type.Computable);
                w.WriteString("gpu_widened_to", type.Widened);
                w.WriteNumber("gpu_bytes", type.GpuBytes);
                w.WriteEndObject();
            }
            w.WriteEndArray();
            w.WriteString("tokenizer", s.Tokenizer);
            w.WriteString("template", s.Template);
            w.WriteStartArray("backends");
            foreach (var plan in backends.Where(b => b.IsUsable)) w.WriteStringValue(plan.Backend);
            w.WriteEndArray();
            w.WriteStartObject("backend_plans");
            foreach (var plan in backends) w.WriteString(plan.Backend, plan.Text);
            w.WriteEndObject();
            w.WriteStartObject("experts_dispatch");
            foreach (var plan in backends)
            {
                if (plan.Experts is { } experts) w.WriteString(plan.Backend, experts);
            }
            w.WriteEndObject();
            w.WriteString("problem", s.Problem);
            if (tensors)
            {
                w.WriteStartArray("tensors");
                foreach (var t in s.Tensors)
                {
                    w.WriteStartObject();
                    w.WriteString("name", t.Name);
                    w.WriteString("type", t.Type.ToString());
                    w.WriteStartArray("shape");
                    foreach (var size in t.Shape) w.WriteNumberValue(size);
                    w.WriteEndArray();
                    w.WriteNumber("offset", t.Offset);
                    w.WriteNumber("bytes", t.Bytes);
                    w.WriteEndObject();
                }
                w.WriteEndArray();
            }
            w.WriteEndObject();
        }
        stdout.WriteByte((byte)'\n');
    }

    private static void Number(Utf8JsonWriter w, string name, long? value)
    {
        if (value is null) w.WriteNull(name);
        else w.WriteNumber(name, value.Value);
    }

    private static void Line(string label, string text) => Console.Out.WriteLine($"{label,-13} {text}");

    private static string Count(long n) => n switch
    {
        >= 1_000_000_000 => $"{n / 1e9:F2} B",
        >= 1_000_000 => $"{n / 1e6:F2} M",
        _ => n.ToString(),
    };

    private static string Bytes(long n) => n switch
    {
        >= 1L << 30 => $"{n / (double)(1L << 30):F2} GiB",
        >= 1L << 20 => $"{n / (double)(1L << 20):F2} MiB",
        >= 1L << 10 => $"{n / (double)(1L << 10):F1} KiB",
        _ => $"{n} bytes",
    };
}
