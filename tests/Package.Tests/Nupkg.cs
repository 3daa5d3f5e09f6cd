using System.IO.Compression;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;
using Xunit;

namespace WarpDecode.Package.Tests;

/// <summary>A package, opened to look into.</summary>
internal sealed class Nupkg : IDisposable
{
    private readonly ZipArchive archive;

    public Nupkg(string path)
    {
        archive = ZipFile.OpenRead(path);
        Files = [.. archive.Entries.Select(e => e.FullName)];
        var nuspec = Assert.Single(archive.Entries, e => e.FullName.EndsWith(".nuspec", StringComparison.Ordinal));
        using var text = nuspec.Open();
        Metadata = XElement.Load(text).Elements().Single(e => e.Name.LocalName == "metadata");
    }

    /// <summary>Names of all files.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>The metadata of the nuspec.</summary>
    public XElement Metadata { get; }

    /// <summary>An element of the metadata.</summary>
    public XElement? Element(string name) => Metadata.Elements().SingleOrDefault(e => e.Name.LocalName == name);

    /// <summary>Text of an element of the metadata; empty if there is none.</summary>
    public string Value(string name) => Element(name)?.Value ?? "";

    /// <summary>Ids of the packages it depends on.</summary>
    public IReadOnlyList<string> Dependencies =>
        [.. Metadata.Descendants().Where(e => e.Name.LocalName == "dependency").Select(e => e.Attribute("id")!.Value)];

    /// <summary>A file's bytes.</summary>
    public byte[] Read(string name)
    {
        var entry = archive.GetEntry(name);
        Assert.True(entry is not null, $"there is no {name} among {string.Join(", ", Files)}");
        using var stream = entry.Open();
        var bytes = new byte[entry.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>What an assembly says of how it was built.</summary>
    public IReadOnlyList<DebugDirectoryEntryType> DebugEntries(string name)
    {
        using var reader = new PEReader(new MemoryStream(Read(name)));
        return [.. reader.ReadDebugDirectory().Select(e => e.Type)];
    }

    public void Dispose() => archive.Dispose();
}
