using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using WarpDecode.Kernels.Gpu.Formats;

namespace WarpDecode.Kernels.Gpu;

/// <summary>
/// Every kernel with every choice of its parameters, found by looking: a static method of this namespace that takes one struct
/// named …Args. For tests, which compile them all, and for reading what they compile to.
/// </summary>
[RequiresUnreferencedCode("looks for types and methods")]
[RequiresDynamicCode("makes instances of generic methods")]
internal static class Catalog
{
    private static readonly Type[] Formats =
        [.. typeof(ILaneFormat).Assembly.GetTypes().Where(t => t.IsValueType && typeof(ILaneFormat).IsAssignableFrom(t)).OrderBy(t => t.Name, StringComparer.Ordinal)];

    private static readonly Type[] KvFormats =
        [.. typeof(IKvFormat).Assembly.GetTypes().Where(t => t.IsValueType && typeof(IKvFormat).IsAssignableFrom(t)).OrderBy(t => t.Name, StringComparer.Ordinal)];

    private static readonly Type[] TileFormats =
        [.. typeof(ITileFormat).Assembly.GetTypes().Where(t => t.IsValueType && typeof(ITileFormat).IsAssignableFrom(t)).OrderBy(t => t.Name, StringComparer.Ordinal)];

    public static IEnumerable<(string Name, MethodInfo Method)> All()
    {
        var methods = typeof(Catalog).Assembly.GetTypes()
            .Where(t => t.Namespace == typeof(Catalog).Namespace && t.IsAbstract && t.IsSealed)
            .SelectMany(t => t.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly))
            .Where(m => m.GetParameters() is [{ ParameterType: { IsValueType: true } only }] && only.Name.EndsWith("Args", StringComparison.Ordinal));
        foreach (var method in methods)
        {
            foreach (var arguments in Choices(method))
            {
                var closed = arguments.Length == 0 ? method : method.MakeGenericMethod(arguments);
                var of = arguments.Length == 0 ? "" : $"<{string.Join(",", arguments.Select(a => a.Name))}>";
                yield return ($"{method.DeclaringType!.Name}.{method.Name}{of}", closed);
            }
        }
    }

    private static bool Repacks(Type format) => (bool)format.GetProperty(nameof(ILaneFormat.Repacks))!.GetValue(null)!;

    private static IEnumerable<Type[]> Choices(MethodInfo method)
    {
        IEnumerable<Type[]> choices = [[]];
        foreach (var parameter in method.GetGenericArguments())
        {
            Type[] values = parameter.Name switch
            {
                "TFormat" => [.. Formats.Where(f => method.DeclaringType != typeof(Repack) || Repacks(f))],
                "TFloat" => [typeof(BF16), typeof(F16), typeof(F32)],
                "TUnits" => [typeof(Zero), typeof(Two), typeof(Three), typeof(Four)],
                "TWidth" => [typeof(Zero), typeof(One), typeof(Two)],
                "TPerRow" => [typeof(One), typeof(Two), typeof(Three), typeof(Four)],
                "TTile" => TileFormats,
                "TTokens" => [typeof(One), typeof(Four)],
                "TKv" => KvFormats,
                "TChunks" => [typeof(One), typeof(TwoChunks), typeof(ThreeChunks), typeof(Four)],
                _ => [typeof(Zero), typeof(One)],
            };
            choices = [.. choices.SelectMany(c => values.Select(v => (Type[])[.. c, v]))];
        }
        return choices;
    }
}
