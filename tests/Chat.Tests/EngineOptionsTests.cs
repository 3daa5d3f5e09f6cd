using System.CommandLine;
using Xunit;

namespace WarpDecode.Chat.Tests;

public class EngineOptionsTests
{
    [Fact]
    public void TokensThatGoAloneAreOneNumberOrTwoOrMeasured()
    {
        Assert.Equal((8, 4), Bind("--moe-alone", "8,4").MoeAlone);
        Assert.Equal((1, 1), Bind("--moe-alone", "1").MoeAlone);
        Assert.Null(Bind("--moe-alone", "auto").MoeAlone);
        Assert.Null(Bind().MoeAlone);
    }

    private static Runtime.EngineOptions Bind(params string[] arguments)
    {
        var (command, options) = (new RootCommand(), new EngineOptionsBinder());
        options.AddTo(command);
        var parsed = command.Parse(arguments);
        Assert.Empty(parsed.Errors);
        return options.Bind(parsed);
    }
}
