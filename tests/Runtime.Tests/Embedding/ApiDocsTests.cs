using System.Reflection;
using System.Runtime.CompilerServices;
using WarpDecode.Formats;
using WarpDecode.Kernels;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Embedding;

/// <summary>docs/api has what is public. The build sees to it that all of that is documented (CS1591).</summary>
public class ApiDocsTests
{
    private const string Advice = "run bench/api-docs.sh";

    [Fact]
    public void EveryPublicMemberHasItsPlace()
    {
        var pages = Directory.GetFiles(Path.Combine(TestData.Root, "docs", "api"), "*.md").Select(path => Path.GetFileNameWithoutExtension(path)!).ToHashSet();
        var types = new[] { typeof(ModelFile), typeof(GpuException), typeof(Engine) }.SelectMany(type => type.Assembly.GetExportedTypes()).ToList();
        Assert.InRange(types.Count, 50, 200);
        foreach (var type in types)
        {
            var name = type.FullName!.Replace('+', '.').Replace('`', '-');
            Assert.True(pages.Remove(name), $"docs/api has no page for {name}: {Advice}");
            if (type.IsEnum || type.IsSubclassOf(typeof(Delegate))) continue;
            var page = File.ReadAllText(Path.Combine(TestData.Root, "docs", "api", name + ".md"));
            foreach (var member in type.GetMembers(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly))
            {
                if (member is MethodBase { IsSpecialName: true } || member.IsDefined(typeof(CompilerGeneratedAttribute)) || member.Name == "Deconstruct") continue;
                Assert.True(page.Contains($"### {member.Name}", StringComparison.Ordinal), $"docs/api/{name}.md lacks {member.Name}: {Advice}");
            }
        }
        var namespaces = types.Select(type => type.Namespace!).ToHashSet();
        pages.Remove("README");
        pages.ExceptWith(namespaces.SelectMany(name => Enumerable.Range(1, name.Count(c => c == '.') + 1).Select(parts => string.Join('.', name.Split('.').Take(parts)))));
        Assert.True(pages.Count == 0, $"docs/api has pages of what is not public: {string.Join(", ", pages)}; {Advice}");
    }
}
