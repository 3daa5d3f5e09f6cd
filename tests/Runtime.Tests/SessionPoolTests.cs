using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests;

/// <summary>Sessions that requests take turns with.</summary>
public sealed class SessionPoolTests : IDisposable
{
    private static readonly int[] Shared = [.. Enumerable.Range(10, 40)];
    private static readonly int[] One = [.. Shared, 1, 2, 3];
    private static readonly int[] Two = [.. Shared, 4, 5, 6];

    private readonly Engine engine = Engine.Open(
        TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Cpu, Sessions = 2, ContextLength = 128 });

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => engine.Dispose();

    [Fact]
    public async Task WhatGoesOnWithAnEarlierOneKeepsIt()
    {
        await Use(One);
        using var rental = await engine.Pool.RentAsync((int[])[.. One, 7, 8], Stop);
        Assert.Equal(One.Length, rental.Kept);
        Assert.Equal(One, rental.Session.Tokens.ToArray());
    }

    [Fact]
    public async Task WhatPartsFromAnEarlierOneSharesItsBeginning()
    {
        await Use(One);
        await Use(Two);
        var pages = engine.FreePages;
        Assert.Equal((128 / 32 * 2) - 3, pages); // the first page of both is one
        using (var one = await engine.Pool.RentAsync((int[])[.. One, 7], Stop)) Assert.Equal(One.Length, one.Kept);
        using var two = await engine.Pool.RentAsync((int[])[.. Two, 7], Stop);
        Assert.Equal(Two.Length, two.Kept);
    }

    [Fact]
    public async Task ThatNotUsedForTheLongestTimeMakesRoom()
    {
        int[] first = [1, 2, 3], second = [4, 5, 6], third = [7, 8, 9];
        await Use(first);
        await Use(second);
        await Use(third);
        using (var rental = await engine.Pool.RentAsync((int[])[.. second, 1], Stop)) Assert.Equal(3, rental.Kept);
        using (var rental = await engine.Pool.RentAsync((int[])[.. first, 1], Stop)) Assert.Equal(0, rental.Kept);
    }

    [Fact]
    public async Task OthersWaitForTheirTurnInOrder()
    {
        var one = await engine.Pool.RentAsync(One, Stop);
        var two = await engine.Pool.RentAsync(Two, Stop);
        using var cancel = new CancellationTokenSource();
        var third = engine.Pool.RentAsync(One, Stop).AsTask();
        var cancelled = engine.Pool.RentAsync(One, cancel.Token).AsTask();
        var fourth = engine.Pool.RentAsync(One, Stop).AsTask();
        Assert.Equal((2, 3), engine.Pool.Count);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.False(third.IsCompleted || fourth.IsCompleted);
        one.Dispose();
        using var next = await third;
        Assert.False(fourth.IsCompleted);
        two.Dispose();
        (await fourth).Dispose();
        Assert.Equal((1, 0), engine.Pool.Count);
    }

    [Fact]
    public async Task WhatWasNotFinishedIsGivenBackToWhereItBegan()
    {
        await Use(One);
        var free = engine.FreePages;
        var rental = await engine.Pool.RentAsync((int[])[.. One, .. Enumerable.Range(0, 70)], Stop);
        rental.Session.Append([.. Enumerable.Range(0, 70)], Stop);
        Assert.True(engine.FreePages < free);
        rental.Dispose();
        rental.Dispose();
        Assert.Equal(free, engine.FreePages);
        using var again = await engine.Pool.RentAsync((int[])[.. One, 5], Stop);
        Assert.Equal(One.Length, again.Kept);
    }

    [Fact]
    public async Task SessionsThatNobodyUsesMakeRoomForOthers()
    {
        await Use([.. Enumerable.Range(0, 120)]);
        await Use([.. Enumerable.Range(100, 120)]);
        Assert.Equal(0, engine.FreePages);
        using var own = engine.CreateSession();
        Assert.Throws<ContextFullException>(() => own.Append([1], Stop));
        engine.Pool.MakeRoom(33);
        Assert.Equal(4, engine.FreePages);
        own.Append([1], Stop);
        // And by itself, for a request.
        using var rental = await engine.Pool.RentAsync((int[])[.. Enumerable.Range(50, 100)], Stop);
        rental.Session.Append([.. Enumerable.Range(50, 90)], Stop);
    }

    [Fact]
    public async Task AClosedEngineLetsNobodyWait()
    {
        var one = await engine.Pool.RentAsync(One, Stop);
        var two = await engine.Pool.RentAsync(Two, Stop);
        var third = engine.Pool.RentAsync(One, Stop).AsTask();
        engine.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => third);
        one.Dispose();
        two.Keep();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => engine.Pool.RentAsync(One, Stop).AsTask());
    }

    private async Task Use(int[] prompt)
    {
        using var rental = await engine.Pool.RentAsync(prompt, Stop);
        rental.Session.Append(prompt.AsSpan(rental.Kept), Stop);
        rental.Keep();
    }
}
