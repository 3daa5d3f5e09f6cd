using WarpDecode.Kernels.Gpu;
using Xunit;

namespace WarpDecode.Kernels.Tests.Gpu;

/// <summary>Slots by expert, on ILGPU's CPU accelerator.</summary>
public sealed unsafe class GroupsTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(5, 3, 11)]
    [InlineData(16, 8, 9)]  // every expert but one for each token
    [InlineData(40, 1, 130)] // more experts than slots
    public void SlotsLieByExpertInOrder(int tokens, int topK, int experts)
    {
        using var device = TestDevice.Open();
        var random = new Random(tokens);
        int[] ids = [.. Enumerable.Range(0, tokens).SelectMany(_ => Enumerable.Range(0, experts).OrderBy(_ => random.Next()).Take(topK))];
        var routes = new DeviceRouting(device, tokens, topK, experts);
        fixed (int* from = ids) device.Upload(routes.Ids, from, ids.Length * sizeof(int));
        var args = new GroupsArgs
        {
            Ids = routes.Ids,
            Offsets = routes.Offsets,
            Active = routes.Active,
            Runs = routes.Runs,
            Slots = routes.Slots,
            Count = ids.Length,
            Experts = experts,
        };
        device.Compile<GroupsArgs>(Groups.Run).Launch(args, (experts + Rows.Warps - 1) / Rows.Warps);

        int[] active = [.. ids.Distinct().Order()];
        Assert.Equal([.. Enumerable.Range(0, experts + 1).Select(e => ids.Count(id => id < e))], Read(routes.Offsets, experts + 1));
        Assert.Equal([.. Enumerable.Range(0, ids.Length).OrderBy(slot => ids[slot])], Read(routes.Slots, ids.Length));
        Assert.Equal([active.Length, .. active], Read(routes.Active, 1 + active.Length));
        for (var i = 0; i < active.Length; i++)
        {
            int[] own = [.. Enumerable.Range(0, ids.Length).Where(slot => ids[slot] == active[i])];
            var before = ids.Count(id => id < active[i]);
            var run = Read(routes.Runs + (i * (long)Groups.RunBytes), Groups.RunBytes / sizeof(int));
            Assert.Equal([active[i], before, before + own.Length], run[..3]);
            Assert.Equal(own.Take(Groups.RunSlots), run[4..].Take(own.Length));
        }

        int[] Read(long address, int count)
        {
            var values = new int[count];
            fixed (int* to = values) device.Download(to, address, count * sizeof(int));
            return values;
        }
    }
}
