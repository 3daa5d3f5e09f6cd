using CsCheck;
using WarpDecode.Runtime.Evaluation;
using Xunit;

namespace WarpDecode.Runtime.Tests.Evaluation;

public class WindowPlanTests
{
    [Fact]
    public void SideBySideTheSecondHalfOfEachWindowIsScored()
    {
        var plan = new WindowPlan(1_600, 512, null);
        Assert.Equal(3, plan.Count); // 64 tokens are left out
        Assert.Equal(1_536, plan.Tokens);
        Assert.Equal(new Window(1_024, 512, 256), plan[2]);
        Assert.Equal(3 * 255, plan.Scored); // positions 256 … 510
        Assert.Equal(3 * 511, plan.Computed);
        Assert.Equal(255, new WindowPlan(1_600, 512, null, 1).Scored);
        Assert.Equal(3, new WindowPlan(1_600, 512, null, 9).Count);
        Assert.Equal(0, new WindowPlan(511, 512, null).Count);
        Assert.Equal(new Window(7, 7, 3), new WindowPlan(14, 7, null)[1]);
    }

    [Fact]
    public void AtAStrideEveryTokenButTheFirstIsScoredOnceWithEnoughBeforeIt() =>
        Gen.Select(Gen.Int[0, 200], Gen.Int[4, 40]).SelectMany((tokens, context) => Gen.Int[1, context - 1].Select(stride => (tokens, context, stride)))
            .Sample(x =>
            {
                var (tokens, context, stride) = x;
                var plan = new WindowPlan(tokens, context, stride);
                var predicted = new List<int>();
                var computed = 0L;
                for (var i = 0; i < plan.Count; i++)
                {
                    var window = plan[i];
                    Assert.Equal(i * stride, window.Start);
                    Assert.InRange(window.Length, 2, context);
                    Assert.True(window.Scored > 0);
                    for (var position = window.First; position <= window.Length - 2; position++)
                    {
                        var target = window.Start + position + 1;
                        Assert.True(position + 1 >= Math.Min(target, context - stride), $"token {target} has {position + 1} tokens before it");
                        predicted.Add(target);
                    }
                    computed += window.Computed;
                }
                Assert.Equal(Enumerable.Range(1, Math.Max(0, tokens - 1)), predicted);
                Assert.Equal(predicted.Count, plan.Scored);
                Assert.Equal(computed, plan.Computed);
                Assert.Equal(tokens < 2 ? 0 : tokens, plan.Tokens);
            });

    [Fact]
    public void ThatManyWindowsOfATextAreThoseOfItsBeginning() =>
        Gen.Select(Gen.Int[8, 200], Gen.Int[4, 40], Gen.Int[1, 9]).SelectMany((tokens, context, most) => Gen.Int[0, context - 1].Select(stride => (tokens, context, most, stride)))
            .Sample(x =>
            {
                int? stride = x.stride == 0 ? null : x.stride;
                var some = new WindowPlan(x.tokens, x.context, stride, x.most);
                var same = new WindowPlan(some.Tokens, x.context, stride); // what a base file relies on
                Assert.Equal(some.Count, same.Count);
                Assert.Equal(some.Scored, same.Scored);
                Assert.Equal(some.Tokens, same.Tokens);
                for (var i = 0; i < some.Count; i++) Assert.Equal(some[i], same[i]);
            });

    [Theory]
    [InlineData(3, null, null)]
    [InlineData(8, 0, null)]
    [InlineData(8, 8, null)]
    [InlineData(8, null, 0)]
    public void RefusesWhatIsNoWindow(int context, int? stride, int? most) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new WindowPlan(100, context, stride, most));
}
