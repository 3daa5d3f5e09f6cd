using System.Runtime.CompilerServices;
using Xunit;

namespace WarpDecode.Tests;

/// <summary>Where tests find their files.</summary>
internal static class TestData
{
    /// <summary>The repository's root, from the place of this source file.</summary>
    public static string Root { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Here())!, "..", ".."));

    /// <summary>A golden file of our own, committed under tests/Golden.</summary>
    public static string Golden(string name)
    {
        var path = Path.Combine(Root, "tests", "Golden", name);
        Assert.True(File.Exists(path), $"{path} is missing: it is part of the repository");
        return path;
    }

    /// <summary>
    /// A reference file that is not ours to commit: from the folder in WD_TEST_DATA, or from ../shared/data beside the
    /// repository. Where it is absent, the test is skipped and says so.
    /// </summary>
    public static string Shared(string name)
    {
        var folder = Environment.GetEnvironmentVariable("WD_TEST_DATA") ?? Path.Combine(Root, "..", "shared", "data");
        var path = Path.Combine(folder, name);
        Assert.SkipUnless(File.Exists(path), $"reference data '{name}' is not here (set WD_TEST_DATA to its folder)");
        return path;
    }

    private static string Here([CallerFilePath] string path = "") => path;
}
