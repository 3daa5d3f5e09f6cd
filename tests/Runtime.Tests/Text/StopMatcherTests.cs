using System.Buffers;
using System.Text;
using CsCheck;
using WarpDecode.Runtime.Text;
using Xunit;

namespace WarpDecode.Runtime.Tests.Text;

public sealed class StopMatcherTests
{
    [Theory]
    [InlineData("hello STOP world", "STOP", "hello ", "STOP")]
    [InlineData("SSTOP", "STOP", "S", "STOP")]
    [InlineData("abababac!", "ababac", "ab", "ababac")]
    [InlineData("no stop here ST", "STOP", "no stop here ST", null)]
    [InlineData("STOP", "STOP", "", "STOP")]
    [InlineData("abcd", "bcd,c", "ab", "c")]        // complete first wins
    [InlineData("xabc", "c,bc,abc,q", "x", "abc")]   // of those complete together the longest
    [InlineData("aé€🚀", "🚀", "aé€", "🚀")]
    [InlineData("\n\nUser: hi", "\nUser:,###", "\n", "\nUser:")]
    [InlineData("anything", "", "anything", null)]
    public void EndsBeforeTheFirstStopHoweverTheTextIsCut(string text, string stops, string expected, string? met)
    {
        var list = stops.Split(',', StringSplitOptions.RemoveEmptyEntries);
        var bytes = Encoding.UTF8.GetBytes(text);
        for (var first = 0; first <= bytes.Length; first++)
        {
            for (var second = first; second <= bytes.Length; second++)
                Assert.Equal((expected, met), Run(list, [bytes[..first], bytes[first..second], bytes[second..]]));
        }
        Assert.Equal((expected, met), Run(list, bytes.Select(b => new[] { b })));
    }

    [Fact]
    public void DoesAsTheDefinitionSays()
    {
        var text = Gen.Char['a', 'c'].Array[0, 30].Select(c => new string(c));
        var stops = Gen.Char['a', 'c'].Array[1, 6].Select(c => new string(c)).Array[0, 4];
        Gen.Select(text, stops, Gen.Int[0, 30], Gen.Int[0, 30]).Sample((t, s, a, b) =>
        {
            string? met = null;
            var kept = t.Length;
            for (var end = 1; end <= t.Length && met is null; end++)
            {
                met = s.Where(x => t.AsSpan(0, end).EndsWith(x, StringComparison.Ordinal)).MaxBy(x => x.Length);
                if (met is not null) kept = end - met.Length;
            }
            var bytes = Encoding.ASCII.GetBytes(t);
            var first = Math.Min(Math.Min(a, b), bytes.Length);
            var second = Math.Min(Math.Max(a, b), bytes.Length);
            Assert.Equal((t[..kept], met), Run(s, [bytes[..first], bytes[first..second], bytes[second..]]));
        }, iter: 20_000);
    }

    [Fact]
    public void HoldsBackOnlyWhatMayBeAStop()
    {
        var matcher = new StopMatcher(["STOP"]);
        var to = new ArrayBufferWriter<byte>();
        Assert.False(matcher.Write("hi S"u8, to));
        Assert.Equal("hi "u8, to.WrittenSpan);
        Assert.False(matcher.Write("TO"u8, to));
        Assert.Equal("hi "u8, to.WrittenSpan);
        Assert.False(matcher.Write("S"u8, to));
        Assert.Equal("hi STO"u8, to.WrittenSpan);
        Assert.True(matcher.Write("TOP and more"u8, to));
        Assert.True(matcher.Write("more"u8, to));
        matcher.Flush(to);
        Assert.Equal("hi STO"u8, to.WrittenSpan);
        Assert.Equal("STOP", matcher.Stop);
        matcher.Reset();
        Assert.Null(matcher.Stop);
        Assert.False(matcher.Write("!ST"u8, to));
        matcher.Flush(to);
        Assert.Equal("hi STO!ST"u8, to.WrittenSpan);
    }

    [Fact]
    public void EmptyStopsAreRefused() => Assert.Throws<ArgumentException>(() => new StopMatcher(["a", ""]));

    [Fact]
    public void AllocatesNothing()
    {
        var matcher = new StopMatcher(["STOP", "\nUser:", "END"]);
        var to = new ArrayBufferWriter<byte>(4096);
        for (var i = 0; i < 2; i++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var n = 0; n < 50; n++) matcher.Write(" STO \nUse EN "u8, to);
            matcher.Flush(to);
            if (i == 1) Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
            to.ResetWrittenCount();
        }
    }

    private static (string Text, string? Stop) Run(string[] stops, IEnumerable<byte[]> pieces)
    {
        var matcher = new StopMatcher(stops);
        var to = new ArrayBufferWriter<byte>();
        foreach (var piece in pieces) Assert.Equal(matcher.Write(piece, to), matcher.Stop is not null);
        matcher.Flush(to);
        return (Encoding.UTF8.GetString(to.WrittenSpan), matcher.Stop);
    }
}
