using System.Diagnostics;
using System.Text.Json;
using WarpDecode.Runtime.Text;
using WarpDecode.Tests;
using Xunit;

namespace WarpDecode.Runtime.Tests.Text;

/// <summary>Templates compared with what Jinja2 makes of them, and what they may not do.</summary>
public sealed class JinjaTests
{
    [Fact]
    public void SnippetsAreAsJinjaRendersThem()
    {
        var golden = JsonDocument.Parse(File.ReadAllBytes(TestData.Golden("jinja/snippets.json"))).RootElement;
        var variables = Variables(golden);
        var failures = new List<string>();
        var cases = golden.GetProperty("cases").EnumerateArray().ToList();
        Assert.True(cases.Count > 500);
        foreach (var item in cases) Compare(item, item.GetProperty("template").GetString()!, variables, failures);
        Assert.True(failures.Count == 0, $"{failures.Count} of {cases.Count}:\n{string.Join('\n', failures)}");
    }

    [Fact]
    public void TemplatesOfReleasedModelsRenderExactly()
    {
        var golden = JsonDocument.Parse(File.ReadAllBytes(TestData.Shared("templates/goldens.json"))).RootElement;
        var failures = new List<string>();
        foreach (var model in golden.GetProperty("renders").EnumerateObject())
        {
            var source = File.ReadAllText(TestData.Shared($"templates/{model.Name}.jinja"));
            foreach (var render in model.Value.EnumerateObject())
            {
                var variables = golden.GetProperty("cases").GetProperty(render.Name).EnumerateObject().ToDictionary(p => p.Name, p => p.Value);
                foreach (var name in new[] { "bos_token", "eos_token", "now" }) variables[name] = golden.GetProperty(name);
                Compare(render.Value, source, JsonSerializer.SerializeToElement(variables), failures, $"{model.Name} {render.Name}");
            }
        }
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }

    [Theory]
    [InlineData("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}")]
    [InlineData("{{ 'a' * 10**12 }}")]
    [InlineData("{{ [0] * 10**12 }}")]
    [InlineData("{% set ns = namespace(s='aaaaaaaaaaaaaaaa') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}")]
    [InlineData("{% set ns = namespace(s=[1, 2]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}")]
    [InlineData("{% set ns = namespace(s=[1], t=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}")]
    [InlineData("{% set ns = namespace(s=(1,)) %}{% for i in range(100) %}{% set ns.s = (ns.s, ns.s) %}{% endfor %}{{ {ns.s: 1} }}")]
    [InlineData("{% set ns = namespace(s=[]) %}{% for i in range(100000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s | tojson }}")]
    [InlineData("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")]
    [InlineData("{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}")]
    [InlineData("{{ 9**9**9**9**9 }}")]
    [InlineData("{{ 10**4000 * 10**4000 }}")]
    [InlineData("{{ 'a' | center(10**10) }}")]
    [InlineData("{{ 'a'.ljust(10**10) }}")]
    [InlineData("{{ '%999999999d' % 1 }}")]
    [InlineData("{{ '{:999999999}'.format(1) }}")]
    [InlineData("{{ 'a\\n' * 1000 | indent(10**9) }}")]
    [InlineData("{{ [1] | batch(10**9, 0) | list }}")]
    [InlineData("{{ [1] | slice(10**9) | list }}")]
    [InlineData("{{ 'a\\tb'.expandtabs(10**10) }}")]
    [InlineData("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}")]
    public void NothingRunsOrGrowsWithoutEnd(string template)
    {
        var clock = Stopwatch.StartNew();
        var error = Assert.Throws<TemplateException>(() => Render(template, """{"messages": []}"""));
        Assert.True(error.Kind is "LimitError" or "OverflowError", error.Message);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), $"{clock.Elapsed}");
    }

    [Fact]
    public void DeepTemplatesAreRefused()
    {
        foreach (var (open, close) in new[] { ("(", ")"), ("[", "]"), ("{1:", "}"), ("-", ""), ("not ", ""), ("x[", "]"), ("f(", ")") })
        {
            var template = "{{ " + string.Concat(Enumerable.Repeat(open, 100_000)) + "1" + string.Concat(Enumerable.Repeat(close, 100_000)) + " }}";
            Assert.Throws<TemplateException>(() => Render(template, """{"messages": []}"""));
        }
        Assert.Throws<TemplateException>(() => Render(string.Concat(Enumerable.Repeat("{% if 1 %}", 50_000)), """{"messages": []}"""));
        Assert.Throws<TemplateException>(() => Render("{{ 1" + string.Concat(Enumerable.Repeat(" + 1", 50_000)) + " }}", """{"messages": []}"""));
    }

    [Fact]
    public void MutatedTemplatesFailInOneWay()
    {
        var golden = JsonDocument.Parse(File.ReadAllBytes(TestData.Golden("jinja/snippets.json"))).RootElement;
        var variables = Variables(golden);
        var templates = golden.GetProperty("cases").EnumerateArray().Select(c => c.GetProperty("template").GetString()!).ToArray();
        var random = new Random(20260305);
        const string signs = "{}%#()[]'\"|.,:+-*/~=<>! \n\\019aeimnorstx_";
        for (var round = 0; round < 6000; round++)
        {
            var text = templates[random.Next(templates.Length)].ToCharArray().ToList();
            for (var change = random.Next(1, 4); change > 0 && text.Count > 0; change--)
            {
                var at = random.Next(text.Count);
                switch (random.Next(3))
                {
                    case 0: text.RemoveAt(at); break;
                    case 1: text.Insert(at, signs[random.Next(signs.Length)]); break;
                    default:
                        var other = templates[random.Next(templates.Length)];
                        text.InsertRange(at, other.AsSpan(random.Next(other.Length)).ToArray());
                        break;
                }
            }
            var template = string.Concat(text);
            try
            {
                _ = ChatTemplate.Parse(template, "test").Render(variables);
            }
            catch (TemplateException e)
            {
                Assert.True(e.Line >= 1 && e.Column >= 1, template);
            }
            catch (Exception e)
            {
                Assert.Fail($"{e.GetType().Name} {e.Message}\n{template}\n{e.StackTrace}");
            }
        }
    }

    [Fact]
    public void ErrorsSayWhere()
    {
        var error = Assert.Throws<TemplateException>(() => Render("a\n{% if true %}\n  {{ x.y }}\n{% endif %}", """{"messages": []}"""));
        Assert.Equal(("UndefinedError", "'x' is undefined", 3, 7), (error.Kind, error.Reason, error.Line, error.Column));
        error = Assert.Throws<TemplateException>(() => ChatTemplate.Parse("a\n{{ 1 2 }}", "here"));
        Assert.Equal("expected token 'end of print statement', got 'integer' (here, line 2, column 6)", error.Message);
    }

    private static string Render(string template, string variables) => ChatTemplate.Parse(template, "test").Render(JsonDocument.Parse(variables).RootElement);

    private static JsonElement Variables(JsonElement golden)
    {
        var variables = golden.GetProperty("variables").EnumerateObject().ToDictionary(p => p.Name, p => p.Value);
        variables["now"] = golden.GetProperty("now");
        return JsonSerializer.SerializeToElement(variables);
    }

    private static void Compare(JsonElement expected, string template, JsonElement variables, List<string> failures, string? name = null)
    {
        name ??= JsonSerializer.Serialize(template);
        try
        {
            var text = ChatTemplate.Parse(template, "test").Render(variables);
            if (!expected.TryGetProperty("text", out var wanted)) failures.Add($"{name}: {JsonSerializer.Serialize(text)}, not {expected.GetRawText()}");
            else if (wanted.GetString() != text) failures.Add($"{name}: {JsonSerializer.Serialize(text)}, not {JsonSerializer.Serialize(wanted.GetString())}");
        }
        catch (TemplateException e)
        {
            // Of the shared goldens "error" is the kind and "message" the text, of our own "kind" and "error".
            var own = expected.TryGetProperty("kind", out var kind);
            var reason = expected.TryGetProperty(own ? "error" : "message", out var message) ? message.GetString() : null;
            if (!own && !expected.TryGetProperty("error", out kind)) failures.Add($"{name}: {e.Kind} {e.Message}, not {expected.GetRawText()}");
            else if (kind.GetString() != e.Kind || reason != e.Reason) failures.Add($"{name}: {e.Kind} {e.Reason}, not {kind.GetString()} {reason}");
        }
    }
}
