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
    /// <summary>
    /// For 8.0 every kernel with every format. Older chips have other tensor-core instructions and nothing else of their own: for 7.5 every kernel that
    /// uses those, and that others differ in their target alone.
    /// </summary>
    [Fact]
    public void EveryKernelCompilesWithoutCallsAndWithoutLocalMemory()
    {
        var kernels = Catalog.All().ToList();
        Assert.True(kernels.Count >= 60, $"only {kernels.Count} kernels found");
        static IEnumerable<(string, Type)> Pairs(IEnumerable<MethodInfo> methods) =>
            methods.SelectMany(m => m.GetGenericArguments().Where(IsFormat).Select(a => ($"{m.DeclaringType} {m.Name}", a))).Distinct();
        Assert.Equal(Pairs(kernels.Select(k => k.Method)), Pairs(kernels.Select(k => k.Method).Where(m => !IsOneOfMany(m)))); // every kernel with every format
        using var ampere = new Ptx(8, 0);
        using var turing = new Ptx(7, 5);
        var (multiplied, same) = (new HashSet<(Type?, string)>(), 0);
        foreach (var (name, method) in kernels)
        {
            if (IsOneOfMany(method)) continue;
            var text = Check(ampere, 80, name, method);
            var multiplies = text.Contains("mma.sync", StringComparison.Ordinal);
            if (multiplies ? !multiplied.Add((method.DeclaringType, method.Name)) : same == 3) continue;
            var older = Check(turing, 75, name, method);
            if (multiplies) continue;
            Assert.Equal(Body(text), Body(older));
            same++;
        }
        Assert.Equal(3, same);
        Assert.True(multiplied.Count >= 20, $"only {multiplied.Count} kernels with tensor-core instructions found");
    }

    /// <summary>For 9.0, where kernels begin before the one ahead of them has ended.</summary>
    [Fact]
    public void EveryKernelCompilesForTheNewest()
    {
        Assert.SkipWhen(Environment.GetEnvironmentVariable("WD_SLOW_TESTS") != "1", "slow: set WD_SLOW_TESTS=1; bench/gpu-check.sh compiles them on such a GPU");
        using var ptx = new Ptx(9, 0);
        foreach (var (name, method) in Catalog.All()) Check(ptx, 90, name, method);
    }

    // A format that shares its code with others is compiled once with each kernel, all choices of the kernel's other parameters with those that stand for it.
    private static bool IsOneOfMany(MethodInfo method)
    {
        if (Environment.GetEnvironmentVariable("WD_SLOW_TESTS") == "1") return false;
        var (names, arguments) = (method.IsGenericMethod ? method.GetGenericMethodDefinition().GetGenericArguments() : [], method.GetGenericArguments());
        return arguments.Any(IsOfMany) && Enumerable.Range(0, names.Length).Any(i => !IsFormat(arguments[i]) && !IsFirst(names[i].Name, arguments[i]));
    }

    private static bool IsFirst(string parameter, Type argument) =>
        argument == (parameter is "TPerRow" or "TTokens" or "TChunks" ? typeof(One) : typeof(Zero));

    private static bool IsFormat(Type argument) => typeof(ILaneFormat).IsAssignableFrom(argument) || typeof(IKvFormat).IsAssignableFrom(argument);

    private static bool IsOfMany(Type format) => typeof(IKvFormat).IsAssignableFrom(format) ? format != typeof(KvF16) : typeof(ILaneFormat).IsAssignableFrom(format)
        && (WeightType)format.GetProperty(nameof(ILaneFormat.Type))!.GetValue(null)! is not (WeightType.BF16 or WeightType.Q4_K or WeightType.Q6_K or WeightType.Q8_0);

    // Without the lines that name the target and the entry, and without the numbers of names, which are counted through all kernels.
    private static string Body(string text) => Numbers().Replace(Named().Replace(text, ""), "_");

    private static string Check(Ptx ptx, int target, string name, MethodInfo method)
    {
        var (text, entry) = ptx.Compile(method, LaunchBounds.Of(method));
        Assert.Contains($".target sm_{target}", text, StringComparison.Ordinal);
        Assert.Contains($".entry {entry}(", text, StringComparison.Ordinal);
        Assert.Contains($".maxntid {LaunchBounds.Of(method).Threads}", text, StringComparison.Ordinal);
        if (Calls().Match(text) is { Success: true } call) Assert.Fail($"{name} calls: {call.Value.Trim()}");
        if (Local().Match(text) is { Success: true } local) Assert.Fail($"{name} uses local memory: {local.Value.Trim()}");
        if (Doubles().Match(text) is { Success: true } wide && !name.StartsWith("Angles", StringComparison.Ordinal))
            Assert.Fail($"{name} computes in FP64: {wide.Value.Trim()}");
        CheckParameters(name, method, text);
        return text;
    }

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

    [GeneratedRegex(@"^\s*(//|\.target|\.version|\.visible|\.entry|\.param).*$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant | RegexOptions.Multiline, 10_000)]
    private static partial Regex Named();

    [GeneratedRegex(@"_\d+", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 10_000)]
    private static partial Regex Numbers();

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
