using System.Text;
using WarpDecode.Runtime.Text.Tokenizers;
using Xunit;

namespace WarpDecode.Runtime.Tests.Text;

public sealed class NormalizationTests
{
    [Theory]
    [InlineData("cafe\u0301 Å ﬁ ① ｶﾞ", "café Å ﬁ ① ｶﾞ", "café Å fi 1 ガ")]
    [InlineData("각", "각", "각")]
    [InlineData("q\u0307\u0323", "q\u0323\u0307", "q\u0323\u0307")]
    [InlineData("\u1E9B\u0323", "\u1E9B\u0323", "\u1E69")]
    [InlineData("\u0958", "\u0915\u093C", "\u0915\u093C")] // excluded from composition
    [InlineData("a\u0300\u0301\u0315", "à\u0301\u0315", "à\u0301\u0315")]
    [InlineData("\U0001D15E", "\U0001D157\U0001D165", "\U0001D157\U0001D165")]
    public void ComposesAsUnicodeSays(string text, string composed, string compatible)
    {
        Assert.Equal(composed, Normalization.Normalize(text, NormalForm.C));
        Assert.Equal(compatible, Normalization.Normalize(text, NormalForm.KC));
        // The forms agree with one another.
        Assert.Equal(composed, Normalization.Normalize(Normalization.Normalize(text, NormalForm.D), NormalForm.C));
        Assert.Equal(compatible, Normalization.Normalize(Normalization.Normalize(text, NormalForm.KD), NormalForm.KC));
        Assert.Equal(composed, Normalization.Normalize(composed, NormalForm.C));
    }

    [Fact]
    public void EveryCharacterIsStableOnceNormalized()
    {
        for (var point = 0; point < 0x30000; point++)
        {
            if (point is >= 0xD800 and < 0xE000) continue;
            if (point is (>= 0x3400 and < 0xD7A4) or (>= 0x20000 and < 0x2F800) && point % 97 != 0) continue; // ideographs and Hangul, all alike
            var text = char.ConvertFromUtf32(point);
            foreach (var form in Enum.GetValues<NormalForm>())
            {
                var once = Normalization.Normalize(text, form);
                Assert.Equal(once, Normalization.Normalize(once, form));
            }
            Assert.Equal(Normalization.Normalize(text, NormalForm.C), Normalization.Normalize(Normalization.Normalize(text, NormalForm.D), NormalForm.C));
        }
    }

    [Fact]
    public void AMegabyteOfMarksTakesItsTimeOnly()
    {
        var text = new StringBuilder("a").Insert(1, "\u0301\u0323", 250_000).ToString();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        Assert.Equal(500_000, Normalization.Normalize(text, NormalForm.C).Length); // ạ takes one mark in; á would need no dot before it
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5));
    }
}
