using Terminal.Gui.Input;
using WarpDecode.Chat.Ui;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Monitoring;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Chat.Tests.Ui;

[Collection(nameof(Screens))]
public class ExpertsViewTests
{
    /// <summary>Some tokens, made by the tests.</summary>
    private sealed class Source(int layers, int experts, int topK) : IExpertsSource
    {
        public RoutingStatistics Load { get; } = new(layers, experts);

        public RoutingSnapshot? Last { get; set; }

        public int Layers => layers;

        public int Experts => experts;

        public int TopK => topK;

        public StepProfile? Profile { get; set; }

        public string? BandwidthNote { get; set; }

        public int Resets { get; private set; }

        public bool TryRead(RoutingSnapshot last, RoutingStatistics load)
        {
            if (Last is null) return false;
            last.CopyFrom(Last);
            load.CopyFrom(Load);
            return true;
        }

        public void Reset()
        {
            Resets++;
            Load.Clear();
        }

        /// <summary>A token that goes to experts k, k + 1 … of layer l, shifted by l and itself.</summary>
        public void Add(int token)
        {
            int[] ids = [.. Enumerable.Range(0, layers).SelectMany(l => Enumerable.Range(0, topK).Select(k => (token + l + k) % experts))];
            Load.Add(ids);
            Last = new RoutingSnapshot(layers, topK);
            Last.Set(ids, [.. ids.Select(_ => 1f / topK)], token);
        }
    }

    private static StepProfile Profile(bool hasTimes, double? bandwidth) => new(
        5, 1, 0.010, [.. Enum.GetValues<StepPart>().Select((part, i) => new PartProfile(part, hasTimes ? 0.001 * (i == 4 ? 4 : 1) : null, 10e6))], bandwidth);

    private static (ExpertsView View, Screen Screen) Show(Source source, Theme theme, int width = 80, int height = 24)
    {
        var view = new ExpertsView(source) { Theme = theme };
        return (view, new Screen(view, width, height));
    }

    [Fact]
    public void WithoutATokenItSaysSo()
    {
        var (view, screen) = Show(new Source(4, 8, 2), Theme.Dark);
        using (screen)
        using (view)
        {
            Assert.Equal("Experts: 4 layers × 8, 2 a token · no token yet: ask something", screen.Rows[0]);
            Assert.Contains("step: not measured yet", screen.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void TheMapHasARowForEachLayerWithItsEntropy()
    {
        var source = new Source(4, 8, 2) { Profile = Profile(hasTimes: true, 14) };
        for (var i = 0; i < 8; i++) source.Add(i); // each expert as often as all
        var (view, screen) = Show(source, Theme.None, 50, 24);
        using (screen)
        using (view)
        {
            view.Window = LoadWindow.All;
            var rows = screen.Rows;
            Assert.StartsWith("Experts: 4 layers × 8, 2 a token · all 8 tokens", rows[0], StringComparison.Ordinal);
            Assert.EndsWith("≤3.00 bits", rows[1], StringComparison.Ordinal);
            // A value for each of 32 columns, four for each expert. The last token went to 7 and 0, a layer further to 0 and 1.
            Assert.Equal("  0 ◆◆◆◆▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒◆◆◆◆    3.00 ×1.0", rows[2]);
            Assert.Equal("  1 ◆◆◆◆◆◆◆◆▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒    3.00 ×1.0", rows[3]);
            Assert.Equal("", rows[6]);
        }
    }

    [Fact]
    public void ColoursTellLoadsApartAndHalvesOfACellShowTwoExperts()
    {
        var source = new Source(2, 128, 1);
        for (var i = 0; i < 100; i++) source.Add(3);
        source.Add(9);
        foreach (var theme in (Theme[])[Theme.Dark, Theme.Light])
        {
            var (view, screen) = Show(source, theme);
            using (screen)
            using (view)
            {
                _ = screen.Text;
                var cells = screen.Driver.Contents!;
                // 128 experts in 64 columns of two values. Expert 3 is hot, 9 is marked, the others are cold.
                var (hot, marked, cold) = (cells[2, 5].Attribute!.Value, cells[2, 8].Attribute!.Value, cells[2, 20].Attribute!.Value);
                Assert.Equal("▌", cells[2, 5].Grapheme);
                Assert.Equal(cold.Background, hot.Foreground);
                Assert.NotEqual(cold.Background, hot.Background);
                Assert.True(marked.Background.R > 200 && marked.Background.G < 100);
                Assert.Equal(" ", cells[2, 20].Grapheme);
            }
        }
    }

    [Fact]
    public void MoreLayersThanRowsAreScrolled()
    {
        var source = new Source(48, 128, 8) { Profile = Profile(hasTimes: true, 14) };
        source.Add(0);
        var (view, screen) = Show(source, Theme.Sixteen);
        using (screen)
        using (view)
        {
            Assert.StartsWith("  0 ", screen.Rows[2], StringComparison.Ordinal);
            Assert.Equal(13, view.MapRows);
            screen.Press(Key.End);
            Assert.StartsWith(" 35 ", screen.Rows[2], StringComparison.Ordinal);
            Assert.StartsWith(" 47 ", screen.Rows[14], StringComparison.Ordinal);
            screen.Press(Key.CursorDown); // there is no further
            Assert.Equal(35, view.Top);
            screen.Wheel(MouseFlags.WheeledUp);
            Assert.Equal(32, view.Top);
            screen.Press(Key.Home);
            Assert.Equal(0, view.Top);
            screen.Press(Key.PageDown);
            Assert.Equal(13, view.Top);
            screen.Press(Key.End);
            screen.Resize(80, 60); // all fit: the first is on top again
            Assert.StartsWith("  0 ", screen.Rows[2], StringComparison.Ordinal);
        }
    }

    [Fact]
    public void TheStepIsToldPartByPartWithItsShareOfTheRoofline()
    {
        var source = new Source(2, 8, 2) { Profile = Profile(hasTimes: true, 14) };
        source.Add(1);
        var (view, screen) = Show(source, Theme.Dark);
        using (screen)
        using (view)
        {
            Assert.Contains("step 10.00 ms · 0.07 GB · 7.0 GB/s · 50 % of the 14.0 GB/s that memory gives", screen.Text, StringComparison.Ordinal);
            var gate = Assert.Single(screen.Rows, row => row.StartsWith("gate/up", StringComparison.Ordinal));
            Assert.Matches(@"^gate/up     █+▌? +40 %    4\.000 ms    2\.5 GB/s   18 %$", gate);
            source.Profile = Profile(hasTimes: true, null) with { Steps = 6 };
            source.BandwidthNote = "measuring";
            view.Refresh();
            Assert.Contains("· memory: measuring", screen.Text, StringComparison.Ordinal);
            source.Profile = Profile(hasTimes: false, null) with { Steps = 7 };
            view.Refresh();
            Assert.Contains("14 % of the bytes; not timed on a GPU", screen.Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void NewsComeByThemselvesAndKeysDoWhatTheyShould()
    {
        var source = new Source(2, 8, 2);
        var (view, screen) = Show(source, Theme.Dark);
        using (screen)
        using (view)
        {
            source.Add(1);
            Thread.Sleep(150);
            screen.RunTimers();
            Assert.Contains("1 token, the last 64 count most", screen.Text, StringComparison.Ordinal);
            screen.Press(Key.T);
            Assert.Contains("all 1 token", screen.Text, StringComparison.Ordinal);
            screen.Press(Key.R);
            Assert.Equal(1, source.Resets);
            Assert.Contains("no token yet", screen.Text, StringComparison.Ordinal);
            var closed = 0;
            view.Closed += (_, _) => closed++;
            screen.Press(Key.Esc);
            screen.Press(Key.Q);
            Assert.Equal(2, closed);
            Assert.False(view.Handle(Key.X));
        }
    }

    [Fact]
    public void EverySizeAndThemeIsDrawnWithinTheScreen()
    {
        foreach (var theme in Theme.All)
        {
            foreach (var (layers, experts, topK) in ((int, int, int)[])[(1, 1, 1), (94, 1024, 32)])
            {
                var source = new Source(layers, experts, topK) { Profile = Profile(hasTimes: theme != Theme.Light, 14) };
                for (var i = 0; i < 3; i++) source.Add(i);
                var (view, screen) = Show(source, theme);
                using (screen)
                using (view)
                {
                    foreach (var (width, height) in ((int, int)[])[(80, 24), (10, 3), (1, 1), (33, 9)])
                    {
                        screen.Resize(width, height);
                        var rows = screen.Rows;
                        Assert.True(rows.Length <= height);
                        Assert.All(rows, row => Assert.True(row.Length <= width));
                        if (height >= 9) Assert.Equal("  0", rows[2][..3]);
                    }
                }
            }
        }
    }

    [Fact]
    public void AnEngineIsWatchedForAsLongAsTheSourceLives()
    {
        using var engine = Engine.Open(TestData.Golden("qwen3_moe/qwen3_moe-bf16.gguf"), new EngineOptions { Backend = BackendKind.Cpu, ContextLength = 64, Threads = 2 });
        using var session = engine.CreateSession();
        using (var source = new ExpertsSource(engine))
        {
            session.Append([1]);
            var (last, load) = (new RoutingSnapshot(engine), new RoutingStatistics(source.Layers, source.Experts));
            Assert.True(source.TryRead(last, load));
            Assert.Equal((1, 0), (load.Tokens, last.Position));
            Assert.Equal(1, source.Profile!.Steps);
        }
        using var again = new ExpertsSource(engine);
        Assert.Null(again.Profile);
    }
}
