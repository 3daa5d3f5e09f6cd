using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Chat.Tests;

public sealed class QuantizeTests(ModelFiles files) : IClassFixture<ModelFiles>
{
    private static readonly string Default = Path.Combine(TestData.Root, "models", DefaultModelTests.Name);

    [Fact]
    public void AModelBecomesSmallerAndAnswers()
    {
        var output = Path.Combine(files.Folder, "q4_k_m.gguf");
        var run = WdRun.Run("quantize", WdRun.Model, output, "q4_K_m", "-v");
        Assert.Equal(0, run.Code);
        Assert.Contains("blk.0.attn_norm.weight [256] F32, as it was", run.Lines);
        Assert.Matches(@"^Q4_K_M: \d+ tensors \(.*Q4_K \d+.*\), \d+\.\d\d bits a weight, \d\.\d MB -> \d\.\d MB in \d+\.\d s: .*q4_k_m.gguf$", run.Lines[^1]);
        Assert.Equal(0, WdRun.Run(output, "-p", "hi", "-n", "4", "--temp", "0", "--backend", "cpu").Code);
        WdRun.Run("quantize", WdRun.Model, output, "Q8_0").Fails(1, "q4_k_m.gguf exists", "--force");
        Assert.Equal(0, WdRun.Run("quantize", WdRun.Model, output, "Q8_0", "--force").Code);
    }

    [Fact]
    public void ADryRunWritesNothing()
    {
        var output = Path.Combine(files.Folder, "dry.gguf");
        Assert.EndsWith("nothing was written", WdRun.Run("quantize", Default, output, "Q8_0", "--dry-run").Succeeds().Lines[^1], StringComparison.Ordinal);
        Assert.False(File.Exists(output));
    }

    public static TheoryData<int, string, string, string[]> Mistakes => new()
    {
        { 2, "there is no type Q9_0: TYPE is one of F32, F16", "wd-run quantize --help", ["MODEL", "x.gguf", "Q9_0"] },
        { 2, "--output-tensor-type takes one of F32", "wd-run quantize --help", ["MODEL", "x.gguf", "Q8_0", "--output-tensor-type", "Q4_K_M"] },
        { 2, "-t", "wd-run quantize --help", ["MODEL", "x.gguf", "Q8_0", "-t", "-1"] },
        { 1, "is the input itself", "another path", ["MODEL", "MODEL", "Q8_0", "--force"] },
        { 1, "is quantized already", "--allow-requantize", ["DEFAULT", "x.gguf", "Q4_0"] },
        { 1, "no such file", "Check the path", ["no-such-file.gguf", "x.gguf", "Q4_0"] },
        { 1, "no-such-folder", "Check the path", ["MODEL", "no-such-folder/x.gguf", "Q4_0"] },
        { 1, "no such file", "Check the path", ["MODEL", "x.gguf", "Q4_0", "--imatrix", "no-such-matrix"] },
    };

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void MistakesAreNamed(int code, string what, string toDo, string[] arguments) =>
        WdRun.Run(["quantize", .. arguments.Select(a => a switch
        {
            "MODEL" => WdRun.Model,
            "DEFAULT" => Default,
            "x.gguf" => Path.Combine(files.Folder, a),
            _ => a,
        })]).Fails(code, what, toDo);

    [Theory]
    [InlineData("INT", 130, 0)]
    [InlineData("TERM", 143, 0)]
    [InlineData("KILL", 137, 1)] // what is killed cannot tidy up; but there is no file of the final name
    public void AnInterruptedRunLeavesNoFile(string signal, int code, int left)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are sent with kill");
        var folder = Directory.CreateDirectory(Path.Combine(files.Folder, signal)).FullName;
        var output = Path.Combine(folder, "out.gguf");
        using var run = WdRun.Start("quantize", Default, output, "IQ4_XS", "--allow-requantize", "-t", "1");
        run.Await(() => Directory.GetFiles(folder).Length > 0, "the temporary file");
        Assert.False(File.Exists(output));
        run.Signal(signal);
        Assert.Equal(code, run.Wait(TimeSpan.FromSeconds(60)).Code);
        Assert.False(File.Exists(output));
        Assert.Equal(left, Directory.GetFiles(folder).Length);
    }
}
