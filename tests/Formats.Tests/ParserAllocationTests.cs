using System.Text;
using Xunit;

namespace WarpDecode.Formats.Tests;

/// <summary>The smallest headers with the most tensors that there may be: what a reader allocates stays below twice the file's size and 64 MiB.</summary>
public class ParserAllocationTests
{
    [Fact]
    public void Gguf()
    {
        var count = (int)Limits.GgufTensors;
        using var bytes = new MemoryStream();
        using (var w = new BinaryWriter(bytes, Encoding.UTF8, leaveOpen: true))
        {
            w.Write("GGUF"u8);
            w.Write(3);
            w.Write((long)count);
            w.Write(0L);
            for (var i = 0; i < count; i++)
            {
                w.Write(3L);
                w.Write([(byte)(33 + (i & 63)), (byte)(33 + ((i >> 6) & 63)), (byte)(33 + (i >> 12))]);
                w.Write(1); // a vector of no values: all may lie at one place
                w.Write(0L);
                w.Write((int)WeightType.I8);
                w.Write(0L);
            }
            w.Write(new byte[32]);
        }
        Check(bytes, path =>
        {
            using var model = ModelFile.Open(path);
            Assert.Equal(count, model.Tensors.Count);
        });
    }

    [Fact]
    public void Safetensors()
    {
        var count = (int)Limits.Tensors;
        var json = new StringBuilder("{");
        for (var i = 0; i < count; i++) json.Append(i == 0 ? "" : ",").Append($"\"{i:x}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
        var header = Encoding.UTF8.GetBytes(json.Append('}').ToString());
        using var bytes = new MemoryStream();
        bytes.Write(BitConverter.GetBytes((long)header.Length));
        bytes.Write(header);
        Check(bytes, path =>
        {
            using var file = new Safetensors(path);
            Assert.Equal(count, file.Tensors.Count);
        });
    }

    private static void Check(MemoryStream bytes, Action<string> open)
    {
        using var file = new TempFile(bytes.GetBuffer().AsSpan(0, (int)bytes.Length));
        var before = GC.GetAllocatedBytesForCurrentThread();
        open(file.Path);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.InRange(allocated, 1, (2 * bytes.Length) + (64 << 20));
        TestContext.Current.SendDiagnosticMessage($"{allocated} bytes for {bytes.Length}");
    }
}
