using System.Reflection;
using WarpDecode.Package.Tests;
using WarpDecode.Runtime;
using WarpDecode.Tests;
using Xunit;

[assembly: AssemblyFixture(typeof(Workspace))]

namespace WarpDecode.Package.Tests;

/// <summary>
/// A folder outside the repository in which the packages lie as in a feed, the samples are built from them, and the tool is installed: each once for all
/// tests, and only when a test asks for it.
/// </summary>
public sealed class Workspace : IDisposable
{
#if DEBUG
    private const string Configuration = "Debug";
#else
    private const string Configuration = "Release";
#endif

    private readonly Lazy<DirectoryInfo> folder = new(() => Directory.CreateTempSubdirectory("wd-package-"));
    private readonly Lazy<Task<string>> feed;
    private readonly Lazy<Task<string>> samples;
    private readonly Lazy<Task<string>> tool;

    public Workspace() => (feed, samples, tool) = (new(PackAsync), new(BuildSamplesAsync), new(InstallToolAsync));

    /// <summary>Version of the program itself.</summary>
    public static string BaseVersion { get; } =
        typeof(Engine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    /// <summary>Version of this run's packages, which no cache holds.</summary>
    public static string Version { get; } = $"{BaseVersion}-test.{Guid.NewGuid():N}";

    /// <summary>The small model that comes with the repository.</summary>
    public static string Model
    {
        get
        {
            var path = Path.Combine(TestData.Root, "models", "warpdecode-tiny-moe-q8_0.gguf");
            Assert.SkipUnless(File.Exists(path), $"{path} is not here");
            return path;
        }
    }

    /// <summary>The folder of all.</summary>
    public string Folder => folder.Value.FullName;

    /// <summary>The folder with the packages.</summary>
    public Task<string> Feed => feed.Value;

    /// <summary>The built samples.</summary>
    public Task<string> Samples => samples.Value;

    /// <summary>The installed wd-run.</summary>
    public Task<string> Tool => tool.Value;

    /// <summary>What a build of something with our package needs to be told: its version, and caches that keep the user's own clean.</summary>
    public string[] BuildArguments =>
    [
        $"-p:WarpDecodeVersion={Version}", $"-p:RestorePackagesPath={Path.Combine(Folder, "packages")}", $"-p:RestoreFallbackFolders={GlobalPackages}",
        "-p:NuGetAudit=false", "-p:UseSharedCompilation=false", "-nodeReuse:false", "-v:quiet", "-nologo",
    ];

    private static string GlobalPackages => Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } path ? path
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    /// <summary>The program of a sample.</summary>
    public async Task<string> SampleAsync(string name) => Path.Combine(await Samples, name, "bin", "Release", "net10.0", $"{name}.dll");

    /// <summary>Runs a sample to its end.</summary>
    internal async Task<Outcome> RunSampleAsync(string name, params string[] arguments) => await Run.ToEndAsync(Run.Dotnet, [await SampleAsync(name), .. arguments]);

    public void Dispose()
    {
        if (!folder.IsValueCreated) return;
        try
        {
            Directory.Delete(Folder, recursive: true);
        }
        catch (IOException)
        {
            // A virus scanner may hold a file; the system clears its temporary folder by itself.
        }
    }

    /// <summary>A copy of a folder of the repository, without what a build left there.</summary>
    private string Copy(string name)
    {
        var (from, to) = (Path.Combine(TestData.Root, name), Path.Combine(Folder, name));
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var relative = Path.GetRelativePath(from, file);
            if (relative.Split(Path.DirectorySeparatorChar) is var parts && (parts.Contains("bin") || parts.Contains("obj"))) continue;
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(to, relative))!);
            File.Copy(file, Path.Combine(to, relative));
        }
        return to;
    }

    private async Task<string> PackAsync()
    {
        // Beside the samples, where their nuget.config looks.
        var path = Path.Combine(Folder, "artifacts");
        await Run.SdkAsync(TestData.Root, "pack", "WarpDecode.Runtime.sln", "--no-build", "-c", Configuration, "-o", path, $"-p:PackageVersion={Version}", "-nodeReuse:false", "-v:quiet", "-nologo");
        return path;
    }

    private async Task<string> BuildSamplesAsync()
    {
        await Feed;
        var path = Copy("samples");
        await Run.SdkAsync(path, ["build", "samples.slnx", "-c", "Release", "-warnaserror", .. BuildArguments]);
        return path;
    }

    private async Task<string> InstallToolAsync()
    {
        var path = Path.Combine(Folder, "tool");
        var config = Path.Combine(Folder, "tool.config");
        await File.WriteAllTextAsync(config, $"""<configuration><packageSources><clear /><add key="feed" value="{await Feed}" /></packageSources></configuration>""");
        var install = await Run.ToEndAsync(
            Run.Dotnet, ["tool", "install", "wd-run", "--version", Version, "--tool-path", path, "--configfile", config], Folder,
            ("NUGET_PACKAGES", Path.Combine(Folder, "packages")));
        install.Succeeds();
        return Path.Combine(path, OperatingSystem.IsWindows() ? "wd-run.exe" : "wd-run");
    }
}
