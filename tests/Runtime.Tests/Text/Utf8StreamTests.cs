using System.Buffers;
using System.Text;
using CsCheck;
using WarpDecode.Runtime.Text;
using Xunit;

namespace WarpDecode.Runtime.Tests.Text;

public sealed class Utf8StreamTests
{
    // Bytes near the borders of UTF-8's table, so that random sequences are often almost well formed.
    private static readonly Gen<byte[]> AnyBytes = Gen.OneOf(
        Gen.Byte,
        TokenizerModels.AnyOf<byte>(0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF)).Array[0, 24];

    [Theory]
    // The examples of the Unicode standard, section 3.9, tables 3-8 to 3-11.
    [InlineData("C0AFE080BFF0818241", "FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD 0041")]
    [InlineData("EDA080EDBFBFEDAF41", "FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD 0041")]
    [InlineData("F4919293FF4180BF42", "FFFD FFFD FFFD FFFD FFFD 0041 FFFD FFFD 0042")]
    [InlineData("E180E2F09192F1BF41", "FFFD FFFD FFFD FFFD 0041")]
    [InlineData("F09F9A80", "1F680")]
    [InlineData("F09F9A", "FFFD")]
    [InlineData("", "")]
    public void ReplacesMaximalSubpartsHoweverTheBytesAreCut(string hex, string codePoints)
    {
        var bytes = Convert.FromHexString(hex);
        var expected = string.Concat(codePoints.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(c => char.ConvertFromUtf32(Convert.ToInt32(c, 16))));
        for (var first = 0; first <= bytes.Length; first++)
        {
            for (var second = first; second <= bytes.Length; second++)
                Assert.Equal(expected, Run([bytes[..first], bytes[first..second], bytes[second..]]));
        }
        Assert.Equal(expected, Run(bytes.Select(b => new[] { b })));
    }

    [Fact]
    public void GivesWhatDecodingInOnePieceGives() => Gen.Select(AnyBytes, Gen.Int[0, 24], Gen.Int[0, 24]).Sample((bytes, a, b) =>
    {
        var first = Math.Min(Math.Min(a, b), bytes.Length);
        var second = Math.Min(Math.Max(a, b), bytes.Length);
        Assert.Equal(Encoding.UTF8.GetString(bytes), Run([bytes[..first], bytes[first..second], bytes[second..]]));
        Assert.Equal(Encoding.UTF8.GetString(bytes), Run(bytes.Select(x => new[] { x })));
    }, iter: 20_000);

    [Fact]
    public void CharactersComeOutWhenTheyAreComplete()
    {
        var stream = new Utf8Stream();
        var to = new ArrayBufferWriter<byte>();
        var seen = new List<int>();
        foreach (var b in "aé€🚀"u8)
        {
            stream.Write([b], to);
            seen.Add(to.WrittenCount);
        }
        Assert.Equal([1, 1, 3, 3, 3, 6, 6, 6, 6, 10], seen);
        stream.Write([0xE2, 0x82], to);
        stream.Reset();
        stream.Write("b"u8, to);
        stream.Flush(to);
        Assert.Equal("aé€🚀b", Encoding.UTF8.GetString(to.WrittenSpan));
    }

    [Fact]
    public void AllocatesNothing()
    {
        var stream = new Utf8Stream();
        var to = new ArrayBufferWriter<byte>(1024);
        byte[] token = [0x80, 0xBF, 0x41, 0xE2, 0x82, 0xFF, 0xF0, 0x9F];
        for (var i = 0; i < 2; i++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var n = 0; n < 20; n++) stream.Write(token, to);
            stream.Flush(to);
            if (i == 1) Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
            to.ResetWrittenCount();
        }
    }

    private static string Run(IEnumerable<byte[]> pieces)
    {
        var stream = new Utf8Stream();
        var to = new ArrayBufferWriter<byte>();
        foreach (var piece in pieces)
        {
            stream.Write(piece, to);
            // What is out is well formed at any time.
            Assert.True(System.Text.Unicode.Utf8.IsValid(to.WrittenSpan));
        }
        stream.Flush(to);
        return Encoding.UTF8.GetString(to.WrittenSpan);
    }
}
