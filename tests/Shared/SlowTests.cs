using Xunit;

namespace WarpDecode.Tests;

/// <summary>Cases that show what others show too, or others nearly, and take long on small machines.</summary>
internal static class SlowTests
{
    /// <summary>Leaves the case out unless WD_SLOW_TESTS=1.</summary>
    public static void Skip(bool slow = true) =>
        Assert.SkipWhen(slow && Environment.GetEnvironmentVariable("WD_SLOW_TESTS") != "1", "slow: set WD_SLOW_TESTS=1");
}
