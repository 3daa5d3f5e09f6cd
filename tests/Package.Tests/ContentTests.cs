using System.Buffers.Binary;
using System.Reflection.PortableExecutable;
using System.Text;
using System.Xml.Linq;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Package.Tests;

/// <summary>What is in the packages, and what is not.</summary>
public sealed class ContentTests(Workspace workspace)
{
    private const string Library = "WarpDecode.Runtime";
    private const string Program = "wd-run";
    private static readonly string[] Assemblies = ["WarpDecode.Runtime", "WarpDecode.Kernels", "WarpDecode.Formats"];

    [Fact]
    public async Task ThereAreTwo() => Assert.Equal(
        [$"{Library}.{Workspace.Version}.nupkg", $"{Program}.{Workspace.Version}.nupkg"],
        Directory.EnumerateFileSystemEntries(await workspace.Feed).Select(Path.GetFileName).Order(StringComparer.Ordinal));

    [Theory]
    [InlineData(Library)]
    [InlineData(Program)]
    public async Task HasWhatAGalleryShows(string id)
    {
        using var package = await OpenAsync(id);
        Assert.Equal(id, package.Value("id"));
        Assert.Equal("Apache-2.0", package.Value("license"));
        Assert.Equal("expression", package.Element("license")!.Attribute("type")!.Value);
        Assert.Equal("README.md", package.Value("readme"));
        Assert.Equal("icon.png", package.Value("icon"));
        Assert.Contains("CHANGELOG.md", package.Value("releaseNotes"), StringComparison.Ordinal);
        Assert.True(package.Value("description").Length > 50);
        Assert.Contains("gguf", package.Value("tags").Split(' '));
        Assert.Contains(id, Encoding.UTF8.GetString(package.Read("README.md")), StringComparison.Ordinal);
        Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(TestData.Root, "CHANGELOG.md")), package.Read("CHANGELOG.md"));
        Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(TestData.Root, "LICENSE")), package.Read("LICENSE"));
        var icon = package.Read("icon.png");
        Assert.Equal("PNG\r\n\x1a\n"u8, icon.AsSpan(1, 7)); // before it a byte that is no UTF-8
        Assert.Equal((128, 128), (BinaryPrimitives.ReadInt32BigEndian(icon.AsSpan(16)), BinaryPrimitives.ReadInt32BigEndian(icon.AsSpan(20))));
        if (Path.Exists(Path.Combine(TestData.Root, ".git"))) Assert.Matches("^[0-9a-f]{40}$", package.Element("repository")?.Attribute("commit")?.Value);
    }

    [Theory]
    [InlineData(Library)]
    [InlineData(Program)]
    public async Task HasNoModel(string id)
    {
        using var package = await OpenAsync(id);
        Assert.DoesNotContain(package.Files, f => f.EndsWith(".gguf", StringComparison.Ordinal) || f.Contains("models/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task TheLibraryIsOnePackage()
    {
        using var package = await OpenAsync(Library);
        Assert.Equal(
            Assemblies.SelectMany(a => new[] { $"lib/net10.0/{a}.dll", $"lib/net10.0/{a}.xml" }).Order(StringComparer.Ordinal),
            package.Files.Where(f => f.StartsWith("lib/", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.Contains("build/WarpDecode.Runtime.targets", package.Files);
        Assert.Contains("buildTransitive/WarpDecode.Runtime.targets", package.Files);
    }

    [Fact]
    public async Task TheLibraryDependsOnWhatItsProjectsReference()
    {
        using var package = await OpenAsync(Library);
        var referenced = Directory.EnumerateFiles(Path.Combine(TestData.Root, "src"), "*.csproj", SearchOption.AllDirectories)
            .Where(p => !p.EndsWith("Chat.csproj", StringComparison.Ordinal))
            .SelectMany(p => XElement.Load(p).Descendants("PackageReference").Where(r => r.Attribute("PrivateAssets")?.Value != "all").Select(r => r.Attribute("Include")!.Value))
            .Distinct().ToList();
        Assert.Contains("ILGPU", referenced);
        foreach (var id in referenced) Assert.Contains(id, package.Dependencies);
        // What is not referenced can only be a version that is pinned for one that is.
        var pinned = XElement.Load(Path.Combine(TestData.Root, "Directory.Packages.props")).Descendants("PackageVersion").Select(r => r.Attribute("Include")!.Value).ToList();
        Assert.All(package.Dependencies, id => Assert.Contains(id, pinned));
        Assert.All(package.Dependencies, id => Assert.DoesNotContain("xunit", id, StringComparison.Ordinal));
    }

    [Fact]
    public async Task TheLibraryIsDocumentedAndCarriesItsSymbols()
    {
        using var package = await OpenAsync(Library);
        foreach (var assembly in Assemblies)
        {
            var documented = XElement.Parse(Encoding.UTF8.GetString(package.Read($"lib/net10.0/{assembly}.xml")).TrimStart('\uFEFF'));
            Assert.Contains(documented.Descendants("member"), m => m.Attribute("name")!.Value.StartsWith($"T:{assembly}.", StringComparison.Ordinal));
            var entries = package.DebugEntries($"lib/net10.0/{assembly}.dll");
            Assert.Contains(DebugDirectoryEntryType.EmbeddedPortablePdb, entries);
            Assert.Contains(DebugDirectoryEntryType.Reproducible, entries);
        }
    }

    [Fact]
    public async Task TheProgramIsATool()
    {
        using var package = await OpenAsync(Program);
        Assert.Equal("DotnetTool", package.Metadata.Descendants().Single(e => e.Name.LocalName == "packageType").Attribute("name")!.Value);
        Assert.Empty(package.Dependencies);
        var settings = XElement.Parse(Encoding.UTF8.GetString(package.Read("tools/net10.0/any/DotnetToolSettings.xml")).TrimStart('\uFEFF'));
        var command = Assert.Single(settings.Descendants("Command"));
        Assert.Equal((Program, "wd-run.dll"), (command.Attribute("Name")!.Value, command.Attribute("EntryPoint")!.Value));
        foreach (var assembly in Assemblies) Assert.Contains($"tools/net10.0/any/{assembly}.dll", package.Files);
    }

    [Fact]
    public async Task TheProgramNamesWhoseAssembliesItHolds()
    {
        using var package = await OpenAsync(Program);
        var notices = Encoding.UTF8.GetString(package.Read("THIRD-PARTY-NOTICES.txt"));
        var others = package.Files.Where(f => f.EndsWith(".dll", StringComparison.Ordinal) && !f.Contains("/runtimes/", StringComparison.Ordinal)).Select(f => Path.GetFileNameWithoutExtension(f))
            .Where(n => n != Program && !n.StartsWith("WarpDecode.", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(others);
        Assert.All(others, name => Assert.Contains(name.StartsWith("Microsoft.Extensions.", StringComparison.Ordinal) ? "Microsoft.Extensions.*" : name, notices, StringComparison.Ordinal));
    }

    [Fact]
    public void TheTenLinesAreTheSameEverywhere()
    {
        var sample = File.ReadAllText(Path.Combine(TestData.Root, "samples", "console", "Program.cs"));
        Assert.InRange(sample.Trim().Split('\n').Length, 1, 10);
        foreach (var page in new[] { "docs/embedding.md", "src/Runtime/PACKAGE.md" })
            Assert.Contains($"```csharp\n{sample}```\n", File.ReadAllText(Path.Combine(TestData.Root, page)), StringComparison.Ordinal);
    }

    private async Task<Nupkg> OpenAsync(string id) => new(Path.Combine(await workspace.Feed, $"{id}.{Workspace.Version}.nupkg"));
}
