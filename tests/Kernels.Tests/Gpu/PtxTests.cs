using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using WarpDecode.Formats;
using WarpDecode.Kernels.Gpu;
using WarpDecode.Kernels.Gpu.Device;
using WarpDecode.Kernels.Gpu.Formats;
using Xunit;

namespace WarpDecode.Kernels.Tests.Gpu;

/// <summary>
/// Every kernel, with every choice of its parameters, compiled to PTX without a GPU. What ILGPU's CPU accelerator runs is not
/// always what a GPU can: calls that no device function answers, local memory where registers were meant.
/// </summary>
public partial class PtxTests
{
    /// <summary>For 8.0 with every format; elsewhere with a float and a quantized one, unless WD_SLOW_TESTS=1: a format is there no other.</summary>
    [Theory]
    [InlineData(7, 5)]
    [InlineData(8, 0)]
    [InlineData(9, 0)]
    public void EveryKernelCompilesWithoutCallsAndWithoutLocalMemory(int major, int minor)
    {
        Assert.SkipWhen(major == 9 && Environment.GetEnvironmentVariable("WD_SLOW_TESTS") != "1", "slow: set WD_SLOW_TESTS=1; bench/gpu-check.sh compiles them on such a GPU");
        var kernels = Catalog.All().ToList();
        Assert.True(kernels.Count >= 60, $"only {kernels.Count} kernels found");
        using var ptx = new Ptx(major, minor);
        foreach (var (name, method) in kernels)
        {
            if (major != 8 && method.GetGenericArguments().Any(IsOfMany)) continue;
            var (text, entry) = ptx.Compile(method, LaunchBounds.Of(method));
            Assert.Contains($".target sm_{major}{minor}", text, StringComparison.Ordinal);
            Assert.Contains($".entry {entry}(", text, StringComparison.Ordinal);
            Assert.Contains($".maxntid {LaunchBounds.Of(method).Threads}", text, StringComparison.Ordinal);
            if (Calls().Match(text) is { Success: true } call) Assert.Fail($"{name} calls: {call.Value.Trim()}");
            if (Local().Match(text) is { Success: true } local) Assert.Fail($"{name} uses local memory: {local.Value.Trim()}");
            if (Doubles().Match(text) is { Success: true } wide && !name.StartsWith("Angles", StringComparison.Ordinal))
                Assert.Fail($"{name} computes in FP64: {wide.Value.Trim()}");
            CheckParameters(name, method, text);
        }
    }

    private static bool IsOfMany(Type format) =>
        typeof(ILaneFormat).IsAssignableFrom(format) && Environment.GetEnvironmentVariable("WD_SLOW_TESTS") != "1"
        && (WeightType)format.GetProperty(nameof(ILaneFormat.Type))!.GetValue(null)! is not (WeightType.BF16 or WeightType.Q4_K);

    /// <summary>The struct that a launch passes is the one that the kernel reads.</summary>
    private static void CheckParameters(string name, MethodInfo method, string text)
    {
        var type = method.GetParameters()[0].ParameterType;
        var size = Parameter().Match(text);
        Assert.True(size.Success, name);
        Assert.Equal(Marshal.SizeOf(type), int.Parse(size.Groups["bytes"].Value, CultureInfo.InvariantCulture));
        // Field by field: every read of a parameter is at the offset of some field.
        var offsets = Offsets(type, 0).ToHashSet();
        foreach (Match read in Reads().Matches(text))
        {
            var at = read.Groups["offset"].Success ? int.Parse(read.Groups["offset"].Value, CultureInfo.InvariantCulture) : 0;
            Assert.True(offsets.Contains(at), $"{name} reads its parameter at {at}, where no field begins");
        }
    }

    private static IEnumerable<int> Offsets(Type type, int start)
    {
        foreach (var field in type.GetFields(BindingFlags.Public | BindingFlags.Instance))
        {
            var at = start + (int)Marshal.OffsetOf(type, field.Name);
            if (field.FieldType.IsPrimitive) yield return at;
            else foreach (var inner in Offsets(field.FieldType, at)) yield return inner;
        }
    }

    [GeneratedRegex(@"\n\s*call[^\n]*", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 10_000)]
    private static partial Regex Calls();

    [GeneratedRegex(@"[^\n]*(\.local|__local)[^\n]*", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 10_000)]
    private static partial Regex Local();

    [GeneratedRegex(@"\n[^\n]*\.f64[^\n]*%[^\n]*", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 10_000)]
    private static partial Regex Doubles();

    [GeneratedRegex(@"\.entry [^(]*\(\s*\.param \.align \d+ \.b8 \w+\[(?<bytes>\d+)\]", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 10_000)]
    private static partial Regex Parameter();

    [GeneratedRegex(@"ld\.param\S* [^\[]*\[\w+(\+(?<offset>\d+))?\]", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 10_000)]
    private static partial Regex Reads();
}
