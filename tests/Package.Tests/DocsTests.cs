using System.Text;
using System.Text.RegularExpressions;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Package.Tests;

/// <summary>The pages for embedders say what compiles.</summary>
public sealed class DocsTests(Workspace workspace)
{
    private static readonly string[] Namespaces =
    [
        "System.Diagnostics", "Microsoft.Extensions.AI", "Microsoft.Extensions.Configuration", "Microsoft.Extensions.DependencyInjection",
        "WarpDecode.Runtime", "WarpDecode.Runtime.Evaluation",
    ];

    // What both this and Microsoft.Extensions.AI have is theirs, as in a program that uses the client.
    private const string Given = """
        using ChatTemplate = WarpDecode.Runtime.Text.ChatTemplate;
        abstract class Given
        {
            protected static readonly string path = "";
            protected static readonly Engine engine = null!;
            protected static readonly WarpDecodeChatClient client = null!;
            protected static readonly IServiceCollection services = null!;
            protected static readonly IConfiguration configuration = null!;
            protected static readonly CancellationToken cancellation = default;
        }
        """;

    [Fact]
    public async Task SnippetsCompile()
    {
        var page = await File.ReadAllTextAsync(Path.Combine(TestData.Root, "docs", "embedding.md"));
        var snippets = Regex.Matches(page, @"^```csharp\n(?<code>.*?)^```$", RegexOptions.Singleline | RegexOptions.Multiline).Select(m => m.Groups["code"].Value)
            .Where(s => !s.StartsWith("using Microsoft", StringComparison.Ordinal)).ToList(); // that is the console sample, a program by itself
        Assert.True(snippets.Count >= 8);
        var code = new StringBuilder();
        foreach (var name in Namespaces) code.Append($"using {name};\n");
        code.Append(Given).Append('\n');
        foreach (var (number, snippet) in snippets.Index())
        {
            var lines = snippet.Split('\n').ToLookup(line => line.StartsWith("record ", StringComparison.Ordinal));
            code.Append($"class Snippet{number} : Given\n{{\n    {string.Join('\n', lines[true])}\n    async Task Run()\n    {{\n        await Task.Yield();\n{string.Join('\n', lines[false])}\n    }}\n}}\n");
        }
        var folder = Directory.CreateDirectory(Path.Combine(await workspace.Samples, "snippets")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "Snippets.cs"), code.ToString());
        await File.WriteAllTextAsync(Path.Combine(folder, "snippets.csproj"), """
            <Project Sdk="Microsoft.NET.Sdk">
              <ItemGroup>
                <PackageReference Include="WarpDecode.Runtime" />
                <PackageReference Include="Microsoft.Extensions.AI" />
                <PackageReference Include="Microsoft.Extensions.Hosting" />
              </ItemGroup>
            </Project>
            """);
        await Run.SdkAsync(folder, ["build", "snippets.csproj", "-c", "Release", .. workspace.BuildArguments]);
    }
}
