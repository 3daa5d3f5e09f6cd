using System.Buffers.Binary;
using System.Security.Cryptography;
using WarpDecode.Runtime.Evaluation;
using Xunit;

namespace WarpDecode.Runtime.Tests.Evaluation;

public sealed class BaseFileTests : IDisposable
{
    private const int Header = 96;
    private const int Tokens = 40; // two windows of 20, 18 scored positions
    private readonly string folder = Directory.CreateTempSubdirectory("wd-base-").FullName;

    private string File1 => Path.Combine(folder, "base.logits");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void HoldsTheTextAndTheBitsOfTheLogits()
    {
        using var engine = TinyModel.Open();
        var tokens = TinyModel.Long[..(Tokens + 7)]; // the rest is not evaluated
        Perplexity.Run(engine, tokens, new PerplexityOptions { Context = 20, SaveTo = File1 });
        Assert.Equal([File1], Directory.GetFiles(folder));
        Assert.Equal(Header + (4 * Tokens) + (4L * 18 * TinyModel.Vocabulary), new FileInfo(File1).Length);

        using var basis = BaseFile.Open(File1);
        Assert.Equal((TinyModel.Vocabulary, 20, null), (basis.Vocabulary, basis.Context, basis.Stride));
        Assert.Equal(tokens[..Tokens], basis.Tokens.ToArray());
        var expected = new List<float>();
        foreach (var start in new[] { 0, 20 })
        {
            using var session = engine.CreateSession();
            session.Append(tokens.AsSpan(start, 20), (position, logits) =>
            {
                if (position is >= 10 and < 19) expected.AddRange(logits);
            });
        }
        var found = new float[18 * TinyModel.Vocabulary];
        basis.ReadLogits(0, found);
        Assert.Equal(expected, found);
        var some = new float[3 * TinyModel.Vocabulary];
        basis.ReadLogits(7, some);
        Assert.Equal(found[(7 * TinyModel.Vocabulary)..(10 * TinyModel.Vocabulary)], some);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData(7, null)]
    [InlineData(null, 1)]
    [InlineData(19, 3)]
    public void ARunIsNotApartFromItself(int? stride, int? most)
    {
        using var engine = TinyModel.Open();
        var options = new PerplexityOptions { Context = 20, Stride = stride };
        var whole = Perplexity.Run(engine, TinyModel.Long, options with { SaveTo = File1 });
        using var basis = BaseFile.Open(File1);
        var result = Perplexity.Run(engine, basis.Tokens, options with { Base = basis, MostWindows = most });
        var found = result.Divergence!;
        Assert.Equal(0, found.Maximum);
        Assert.Equal(new Estimate(0, 0), found.Mean);
        Assert.Equal(new Estimate(0, 0), found.DeltaRms);
        Assert.Equal(new Estimate(1, 0), found.SameTop);
        Assert.Equal(new Estimate(1, 0), found.Ratio);
        Assert.Equal(result.Perplexity, found.BasePerplexity);
        if (most is null) Assert.Equal(whole.Perplexity, result.Perplexity);
        else Assert.Equal(most, result.Windows);
    }

    public static TheoryData<string, Action<byte[]>> Damages => new()
    {
        { "expected 'WDLOGITS'", b => b[0] ^= 1 },
        { "version", b => b[8] = 2 },
        { "the vocabulary, at offset 12", b => Put(b, 12, 0) },
        { "the vocabulary, at offset 12", b => Put(b, 12, int.MaxValue) },
        { "the vocabulary, at offset 12", b => Put(b, 12, -1) },
        { "cut off or too long", b => Put(b, 12, 511) },
        { "the window, at offset 16", b => Put(b, 16, 3) },
        { "the window, at offset 16", b => Put(b, 16, -20) },
        { "no window reaches", b => Put(b, 16, 21) },
        { "no window reaches", b => Put(b, 16, int.MaxValue) },
        { "the stride, at offset 20", b => Put(b, 20, 20) },
        { "the stride, at offset 20", b => Put(b, 20, -1) },
        { "cut off or too long", b => Put(b, 20, 5) },
        { "the number of tokens, at offset 24", b => Put(b, 24, 1) },
        { "no window reaches", b => Put(b, 24, 41) },
        { "cut off or too long", b => Put(b, 24, 20) },
        { "cut off or too long", b => Put(b, 24, 2_000_000_000) },
        { "the replaced token, at offset 28", b => Put(b, 28, 512) },
        { "the replaced token, at offset 28", b => Put(b, 28, -2) },
        { "tokens of the hash", b => b[40] ^= 1 },
        { "tokens of the hash", b => b[Header + 5] ^= 1 },
        { "tokens from 0 to 511, found 512", b => PutToken(b, 512) },
        { "tokens from 0 to 511, found -1", b => PutToken(b, -1) },
    };

    [Theory]
    [MemberData(nameof(Damages))]
    public void DamagedHeadersAreRefused(string message, Action<byte[]> damage)
    {
        var bytes = Saved();
        damage(bytes);
        Refuses(bytes, message);
    }

    [Fact]
    public void FilesOfTheWrongLengthAreRefused()
    {
        var bytes = Saved();
        Refuses([], "found 0");
        Refuses(bytes[..95], "found 95");
        Refuses(bytes[..96], "cut off");
        Refuses(bytes[..^1], "cut off");
        Refuses([.. bytes, 0], "too long");
        // Numbers whose product is 2⁶⁴ and something: 2³¹ tokens, windows of 4, 2²⁴ logits.
        Put(bytes, 12, 1 << 24);
        Put(bytes, 16, 4);
        Put(bytes, 20, 1);
        Put(bytes, 24, Array.MaxLength);
        Refuses(bytes, "cut off");
    }

    [Fact]
    public void LogitsThatAreNotFiniteAreRefused()
    {
        var bytes = Saved();
        BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(bytes.Length - 400), float.NaN);
        System.IO.File.WriteAllBytes(File1, bytes);
        using var engine = TinyModel.Open();
        using var basis = BaseFile.Open(File1);
        var e = Assert.Throws<EvaluationException>(() => Perplexity.Run(engine, basis.Tokens, new PerplexityOptions { Context = 20, Base = basis }));
        Assert.Contains("window 2", e.Message, StringComparison.Ordinal);
        Assert.Equal(1, Perplexity.Run(engine, basis.Tokens, new PerplexityOptions { Context = 20, Base = basis, MostWindows = 1 }).Windows);
    }

    [Fact]
    public void AFileThatShrinksIsAnError()
    {
        System.IO.File.WriteAllBytes(File1, Saved());
        using var basis = BaseFile.Open(File1);
        System.IO.File.WriteAllBytes(File1, Saved()[..500]);
        Assert.Contains("ends too early", Assert.Throws<EvaluationException>(() => basis.ReadLogits(3, new float[512])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OtherTextsWindowsAndModelsAreRefused()
    {
        var bytes = Saved();
        System.IO.File.WriteAllBytes(File1, bytes);
        using var engine = TinyModel.Open();
        using var basis = BaseFile.Open(File1);
        var options = new PerplexityOptions { Context = 20, Base = basis };
        void Fails(string message, int[] tokens, PerplexityOptions with) => Assert.Contains(
            message, Assert.Throws<EvaluationException>(() => Perplexity.Run(engine, tokens, with)).Message, StringComparison.Ordinal);

        var tokens = TinyModel.Long[..Tokens];
        Fails("not windows of 10 tokens side by side", tokens, options with { Context = 10 });
        Fails("not windows of 20 tokens at a stride of 4", tokens, options with { Stride = 4 });
        Fails("token 39 is", tokens[..39], options);
        tokens[17] ^= 1;
        Fails("token 17 is", tokens, options);
        Fails("has 2 windows, not 3", TinyModel.Long[..60], options);

        // The hash of the vocabulary, and the number of logits.
        bytes[64] ^= 1;
        System.IO.File.WriteAllBytes(File1, bytes);
        using var other = BaseFile.Open(File1);
        Fails("another vocabulary", TinyModel.Long[..Tokens], options with { Base = other });
    }

    [Fact]
    public void CancellingLeavesNothingBehindAndAnOlderFileAlone()
    {
        System.IO.File.WriteAllBytes(File1, [1, 2, 3]);
        using var engine = TinyModel.Open();
        using var source = new CancellationTokenSource();
        var stop = new Stop(source, folder);
        Assert.ThrowsAny<OperationCanceledException>(() =>
            Perplexity.Run(engine, TinyModel.Long, new PerplexityOptions { Context = 20, SaveTo = File1, Progress = stop }, source.Token));
        Assert.Equal((2, 1), (stop.Before, stop.After)); // the unfinished file is gone at once, before the run has ended
        Assert.Equal([File1], Directory.GetFiles(folder));
        Assert.Equal([1, 2, 3], System.IO.File.ReadAllBytes(File1));
    }

    [Fact]
    public void AFolderThatIsNotThereIsAnErrorBeforeAnythingIsComputed()
    {
        using var engine = TinyModel.Open();
        var stop = new Stop(new CancellationTokenSource(), folder);
        Assert.ThrowsAny<IOException>(() =>
            Perplexity.Run(engine, TinyModel.Long, new PerplexityOptions { Context = 20, SaveTo = Path.Combine(folder, "none", "base"), Progress = stop }));
        Assert.Equal(0, stop.Before);
    }

    private static void Put(byte[] bytes, int at, int value) => BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(at), value);

    // With the right hash, so that only the token is wrong.
    private static void PutToken(byte[] bytes, int token)
    {
        Put(bytes, Header + 8, token);
        SHA256.HashData(bytes.AsSpan(Header, 4 * Tokens)).CopyTo(bytes.AsSpan(32));
    }

    private byte[] Saved()
    {
        var path = Path.Combine(folder, "whole.logits");
        if (!System.IO.File.Exists(path))
        {
            using var engine = TinyModel.Open();
            Perplexity.Run(engine, TinyModel.Long.AsMemory(0, Tokens), new PerplexityOptions { Context = 20, SaveTo = path });
        }
        return System.IO.File.ReadAllBytes(path);
    }

    private void Refuses(byte[] bytes, string message)
    {
        System.IO.File.WriteAllBytes(File1, bytes);
        var e = Assert.Throws<EvaluationException>(() => BaseFile.Open(File1));
        Assert.StartsWith(File1, e.Message, StringComparison.Ordinal);
        Assert.Contains(message, e.Message, StringComparison.Ordinal);
        Assert.Contains("--save-logits", e.Advice, StringComparison.Ordinal);
    }

    // Cancels at the first report.
    private sealed class Stop(CancellationTokenSource source, string folder) : IProgress<PerplexityProgress>
    {
        public int Before { get; private set; }

        public int After { get; private set; }

        public void Report(PerplexityProgress value)
        {
            if (Before > 0) return;
            Before = Directory.GetFiles(folder).Length;
            source.Cancel();
            After = Directory.GetFiles(folder).Length;
        }
    }
}
