using System.Diagnostics;
using WarpDecode.Runtime.Evaluation;
using Xunit;

namespace WarpDecode.Runtime.Tests.Evaluation;

public sealed class JudgeTests : IDisposable
{
    private readonly TaskFiles files = new();

    public void Dispose() => files.Dispose();

    [Theory]
    [InlineData("""{"prompt": "p", "answer": "Paris"}""", "Paris", true, true)]
    [InlineData("""{"prompt": "p", "answer": " Paris\n"}""", "\tParis ", true, true)]
    [InlineData("""{"prompt": "p", "answer": "Paris"}""", "paris", false, true)]
    [InlineData("""{"prompt": "p", "answer": "Paris"}""", "Paris.", false, false)]
    [InlineData("""{"prompt": "p", "answers": ["a", "b"]}""", "b", true, true)]
    [InlineData("""{"prompt": "p", "answers": ["a", "b"]}""", "c", false, false)]
    [InlineData("""{"prompt": "p", "regex": "\\b4[0-9]\\b"}""", "It is 42.", true, true)]
    [InlineData("""{"prompt": "p", "regex": "^4$"}""", " 4\n", true, true)]
    [InlineData("""{"prompt": "p", "regex": "^yes"}""", "Yes, it is", false, true)]
    [InlineData("""{"prompt": "p", "answer": "shown", "regex": "^x$"}""", "shown", false, false)]
    public void AnAnswerIsTheRightOneOrMatches(string item, string output, bool right, bool rightInAnyCase)
    {
        var task = files.Task(item);
        Assert.Equal(right, new ItemResult(0, null, output).Judge(task, ignoreCase: false).Right);
        Assert.Equal(rightInAnyCase, new ItemResult(0, null, output).Judge(task, ignoreCase: true).Right);
    }

    [Theory]
    [InlineData(-4.0, -3.0, false, true)] // -4/4 against -3/2
    [InlineData(-3.0, -3.0, true, true)] // of equal ones the first; -3/4 is more than -3/2
    [InlineData(-2.0, -0.5, false, false)]
    public void AChoiceIsMeasuredAsItIsAndByItsBytes(double first, double second, bool acc, bool accNorm)
    {
        var task = files.Task("""{"context": "c", "choices": ["éé", "ab"], "answer": 0}"""); // 4 bytes, 2 bytes
        Assert.Equal(new Verdict(acc, accNorm), new ItemResult(0, [first, second]).Judge(task, ignoreCase: false));
    }

    [Fact]
    public void AnEmptyChoiceIsNotDividedByNothing() =>
        Assert.True(new ItemResult(0, [-0.5, -2]).Judge(files.Task("""{"context": "c", "choices": ["", "ab"], "answer": "a"}"""), false).RightByLength);

    [Fact]
    public void APatternWithoutEndIsGivenUp()
    {
        var task = files.Task("", """{"prompt": "p", "regex": "^(a+)+$"}""");
        var clock = Stopwatch.StartNew();
        var error = Assert.Throws<EvalFileException>(() => new ItemResult(0, null, new string('a', 60) + "!").Judge(task, false));
        Assert.InRange(clock.Elapsed.TotalSeconds, 0.5, 20);
        Assert.Equal((2, "regex"), (error.Line, error.Field));
    }

    [Fact]
    public void AReportCountsByCategoryAndOverall()
    {
        var task = files.Task(
            """{"category": "b", "context": "c", "choices": ["x", "y"], "answer": 0}""",
            """{"category": "a", "context": "c", "choices": ["x", "y"], "answer": 0}""",
            """{"category": "b", "prompt": "c", "answer": "x"}""",
            """{"prompt": "c", "answer": "x"}""");
        Verdict[] verdicts = [new(true, false), new(false, true), new(true, false), new(false, false)];
        var report = EvalReport.Of([.. verdicts.Select((verdict, i) => (task.Items[i], verdict))]);
        Assert.Equal([null, "a", "b"], report.Categories.Select(row => row.Category));
        Assert.Equal(new EvalRow(null, null, null, new EvalCount(0, 1)), report.Categories[0]);
        Assert.Equal(new EvalRow("a", new EvalCount(0, 1), new EvalCount(1, 1), null), report.Categories[1]);
        Assert.Equal(new EvalRow("b", new EvalCount(1, 1), new EvalCount(0, 1), new EvalCount(1, 1)), report.Categories[2]);
        Assert.Equal(new EvalRow(null, new EvalCount(1, 2), new EvalCount(1, 2), new EvalCount(1, 2)), report.Overall);
    }
}
