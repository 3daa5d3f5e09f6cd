using System.Text.Json;
using WarpDecode.Formats;
using Xunit;

namespace WarpDecode.Chat.Tests;

/// <summary>A model in several files behaves as one.</summary>
public sealed class SplitModelTests : IDisposable
{
    private const int Count = 3;
    private readonly string folder = Directory.CreateTempSubdirectory("wd-split-").FullName;

    public SplitModelTests()
    {
        // The tiny model, every third tensor in the same shard; the metadata in the first.
        using var whole = ModelFile.Open(WdRun.Model);
        for (var i = 0; i < Count; i++)
        {
            var writer = new GgufWriter(null);
            if (i == 0)
            {
                foreach (var key in whole.Metadata.Keys) writer.Copy(whole.Metadata, key);
            }
            writer.Add("split.no", (ushort)i).Add("split.count", (ushort)Count).Add("split.tensors.count", whole.Tensors.Count);
            foreach (var (n, tensor) in whole.Tensors.Index())
            {
                if (n % Count == i) writer.Add(tensor.Name, tensor.Type, [.. tensor.Shape], stream => Copy(tensor, stream));
            }
            using var file = File.Create(Shard(i));
            writer.Write(file);
        }
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void AnswersAsTheWholeDoes()
    {
        var whole = WdRun.Complete("-p", "Hello", "--temp", "0", "-n", "20").Succeeds().Text;
        for (var i = 0; i < Count; i++) Assert.Equal(whole, WdRun.Run(Shard(i), "-t", "1", "-p", "Hello", "--temp", "0", "-n", "20").Succeeds().Text);
    }

    [Fact]
    public void InfoListsTheShards()
    {
        var lines = WdRun.Run("info", Shard(1), "--tensors").Succeeds().Lines;
        Assert.Contains(lines, l => l.Contains("(GGUF v3, 3 shards, ", StringComparison.Ordinal));
        for (var i = 0; i < Count; i++) Assert.Contains(lines, l => l.StartsWith($"shard         {Path.GetFileName(Shard(i))}: 9 tensors, ", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.EndsWith($" bytes of {Path.GetFileName(Shard(2))}", StringComparison.Ordinal));

        using var json = JsonDocument.Parse(WdRun.Run("info", Shard(0), "--json", "--tensors").Succeeds().Bytes);
        var shards = json.RootElement.GetProperty("shards").EnumerateArray().ToArray();
        Assert.Equal(Enumerable.Range(0, Count).Select(Shard), shards.Select(s => s.GetProperty("file").GetString()));
        Assert.Equal(json.RootElement.GetProperty("bytes").GetInt64(), shards.Sum(s => s.GetProperty("bytes").GetInt64()));
        Assert.Equal(Shard(1), json.RootElement.GetProperty("tensors")[9].GetProperty("file").GetString());
    }

    [Fact]
    public void QuantizesToOneWholeFile()
    {
        var (whole, split) = (Path.Combine(folder, "whole.gguf"), Path.Combine(folder, "split.gguf"));
        WdRun.Run("quantize", WdRun.Model, whole, "Q8_0").Succeeds();
        WdRun.Run("quantize", Shard(1), split, "Q8_0").Succeeds();
        using var a = ModelFile.Open(whole);
        using var b = ModelFile.Open(split);
        Assert.Equal(a.Metadata.Keys.Order(StringComparer.Ordinal), b.Metadata.Keys.Order(StringComparer.Ordinal)); // none of split.*
        foreach (var tensor in a.Tensors)
        {
            var other = b.Find(tensor.Name)!;
            Assert.Equal(tensor.Type, other.Type);
            Assert.True(Bytes(tensor).SequenceEqual(Bytes(other)), tensor.Name);
        }
    }

    [Fact]
    public void AMissingShardIsNamed()
    {
        File.Delete(Shard(1));
        WdRun.Run("info", Shard(0)).Fails(1, "1 of 3 shards are missing, the first is 'model-00002-of-00003.gguf'", "Download all shards");
    }

    private string Shard(int i) => Path.Combine(folder, $"model-{i + 1:D5}-of-{Count:D5}.gguf");

    private static void Copy(TensorView tensor, Stream to) => to.Write(Bytes(tensor));

    private static unsafe ReadOnlySpan<byte> Bytes(TensorView tensor) => new(tensor.Data, (int)tensor.Bytes);
}
