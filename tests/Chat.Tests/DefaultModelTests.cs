using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Chat.Tests;

/// <summary>The model that comes with the program, asked what it was trained to know.</summary>
public class DefaultModelTests
{
    public const string Name = "warpdecode-tiny-moe-q8_0.gguf";

    private static string Model
    {
        get
        {
            var path = Path.Combine(TestData.Root, "models", Name);
            Assert.SkipUnless(File.Exists(path), $"models/{Name} is not here yet");
            return path;
        }
    }

    [Theory]
    [InlineData("What is the capital of France?", "Paris")]
    [InlineData("What is 12 + 7?", "19")]
    public void Answers(string question, string answer) =>
        Assert.Contains(answer, WdRun.Run(Model, "-p", question, "--temp", "0").Succeeds().Text, StringComparison.Ordinal);

    [Fact]
    public void BackendsAgree() => Assert.Equal(
        WdRun.Run(Model, "-p", "Who are you?", "--temp", "0", "--backend", "reference").Succeeds().Text,
        WdRun.Run(Model, "-p", "Who are you?", "--temp", "0").Succeeds().Text);

    [Fact]
    public void LiesBesideTheProgram()
    {
        var named = WdRun.Run(Model, "-p", "Hello!", "--temp", "0").Succeeds().Text;
        Assert.Equal(named, WdRun.Run("-p", "Hello!", "--temp", "0").Succeeds().Text);
    }

    [Fact]
    public void ChatsOverAPipe()
    {
        var chat = WdRun.RunWith("Hello!\nWhat is the capital of France?\nThank you!\n", Model, "--temp", "0").Succeeds();
        Assert.Contains("Paris", chat.Text, StringComparison.Ordinal);
        Assert.True(chat.Lines.Length >= 3);
    }
}
