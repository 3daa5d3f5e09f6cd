using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using WarpDecode.Kernels.Gpu.Device;

namespace WarpDecode.Kernels.Gpu;

/// <summary>
/// Measured <see cref="ExpertDispatch"/>es on disk, a small JSON file for each device, driver, build of the kernels and shape. A file that is
/// damaged, or says that it is of something else, is as good as none.
/// </summary>
/// <param name="folder">Where the files are.</param>
/// <param name="device"><see cref="GpuDevice.TimedAs"/>.</param>
internal sealed class ExpertCache(string folder, string device)
{
    private const int Version = 1;
    private const long MostBytes = 64 << 10;

    // Of the kernels that were timed.
    private static readonly string Program = typeof(ExpertCache).Module.ModuleVersionId.ToString();

    /// <summary>What was measured for a shape, or null.</summary>
    public ExpertDispatch? Find(in ExpertShape shape)
    {
        if (CacheFolder.TryRead(PathOf(shape), MostBytes) is not { } bytes) return null;
        try
        {
            using var json = JsonDocument.Parse(bytes);
            var root = json.RootElement;
            if (root.ValueKind != JsonValueKind.Object || Number(root, "version") != Version) return null;
            if (Text(root, "device") != device || Text(root, "program") != Program || Text(root, "shape") != $"{shape}") return null;
            return Threshold(root, "gate_up_alone") is { } gateUp && Threshold(root, "down_alone") is { } down && Threshold(root, "gate_up_prompt") is { } prompt
                ? new ExpertDispatch(gateUp, down, prompt)
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Keeps what was measured. The times are for people.</summary>
    public void Put(in ExpertShape shape, ExpertDispatch dispatch, ExpertTimings timings)
    {
        using var stream = new MemoryStream();
        using (var w = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            w.WriteStartObject();
            w.WriteNumber("version", Version);
            w.WriteString("device", device);
            w.WriteString("program", Program);
            w.WriteString("shape", $"{shape}");
            w.WriteNumber("gate_up_alone", dispatch.GateUpAlone);
            w.WriteNumber("down_alone", dispatch.DownAlone);
            w.WriteNumber("gate_up_prompt", dispatch.GateUpPrompt);
            Times("gate_up_alone_or_together_us", timings.GateUp);
            Times("down_alone_or_together_us", timings.Down);
            Times("gate_up_together_or_prompt_us", timings.Prompt);
            w.WriteEndObject();

            void Times(string name, IReadOnlyList<WayTiming> list)
            {
                w.WriteStartObject(name);
                foreach (var timing in list)
                {
                    w.WriteStartArray($"{timing.Tokens}");
                    w.WriteNumberValue(Math.Round(timing.First, 2));
                    w.WriteNumberValue(Math.Round(timing.Second, 2));
                    w.WriteEndArray();
                }
                w.WriteEndObject();
            }
        }
        CacheFolder.TryWrite(PathOf(shape), stream.ToArray());
    }

    private string PathOf(in ExpertShape shape) =>
        Path.Combine(folder, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{device}\n{Program}\n{shape}"))) + ".json");

    private static int? Threshold(JsonElement root, string name) => Number(root, name) is >= 1 and var n ? n : null;

    private static int? Number(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var n) ? n : null;

    private static string? Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
