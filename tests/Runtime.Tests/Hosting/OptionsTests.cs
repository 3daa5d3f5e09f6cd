using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using WarpDecode.Formats;
using WarpDecode.Runtime.Hosting;
using WarpDecode.Runtime.Sampling;
using WarpDecode.Runtime.Tests.Evaluation;
using Xunit;

namespace WarpDecode.Runtime.Tests.Hosting;

/// <summary>Settings from code and from configuration, and what is said of wrong ones.</summary>
public class OptionsTests
{
    [Fact]
    public void EverySettingIsReadFromConfiguration()
    {
        var template = Path.GetTempFileName();
        File.WriteAllText(template, "{{ messages[0].content }}");
        var options = Read($$"""
            { "Ai": { "Local": {
                "ModelPath": "{{Escaped(TinyModel.Path)}}", "Backend": "cpu", "Threads": 2, "ContextLength": 96, "Sessions": "3", "KvType": "f32", "GpuLayers": 1, "CpuMoe": 2,
                "Moe": "warp-fp32", "PreTokenizer": "qwen2", "ChatTemplateFile": "{{Escaped(template)}}", "AnswerFormat": "hermes", "ModelId": "tiny", "MaxOutputTokens": 12,
                "Stop": ["one", "two"], "Temperature": 0.25, "TopK": 7, "TopP": 0.5, "MinP": 0.125, "RepeatPenalty": 1.5, "FrequencyPenalty": -0.5, "PresencePenalty": 0.5,
                "Seed": 42, "LoadAtStartup": false } } }
            """, "Ai:Local");
        var engine = options.ToEngineOptions();
        Assert.Equal(
            (BackendKind.Cpu, 2, 96, 3, WeightType.F32, 1, 2, MoeForm.WarpFp32, "qwen2", "{{ messages[0].content }}"),
            (engine.Backend, engine.Threads, engine.ContextLength, engine.Sessions, engine.KvType, engine.GpuLayers, engine.CpuMoe, engine.Moe, engine.PreTokenizer, engine.Template?.Text));
        Assert.Equal((TinyModel.Path, "hermes", "tiny", false), (options.ModelPath, options.AnswerFormat, options.ModelId, options.LoadAtStartup));
        var generation = Generation(options);
        Assert.Equal((12, "one|two"), (generation.MaxTokens, string.Join('|', generation.Stop)));
        Assert.Equal(
            new SamplerOptions { Temperature = 0.25, TopK = 7, TopP = 0.5, MinP = 0.125, RepeatPenalty = 1.5, FrequencyPenalty = -0.5, PresencePenalty = 0.5, Seed = 42 }.ToString(),
            generation.Sampling.ToString());
        File.Delete(template);
        // Every property has a setting, and is in the configuration above.
        Assert.Equal(
            typeof(WarpDecodeOptions).GetProperties().Select(p => p.Name).Where(n => n != nameof(WarpDecodeOptions.Stop)).Order(StringComparer.Ordinal),
            Setting.All.Select(s => s.Name).Order(StringComparer.Ordinal));
    }

    /// <summary>The framework's own binder takes them too.</summary>
    [Fact]
    public void TheFrameworksBinderReadsTheSame()
    {
        var section = Json("""{ "Backend": "Cuda", "KvType": "BF16", "ContextLength": 64, "Temperature": 0.5, "Stop": ["x"], "Seed": 3 }""");
        var bound = section.Get<WarpDecodeOptions>()!;
        Assert.Equal((BackendKind.Cuda, WeightType.BF16, 64, 0.5, 3L, "x"), (bound.Backend, bound.KvType, bound.ContextLength, bound.Temperature, bound.Seed, bound.Stop[0]));
    }

    [Fact]
    public void AWholeConfigurationHasTheSectionWarpDecode()
    {
        var services = new ServiceCollection().AddWarpDecode(Json($$"""{ "WarpDecode": { "ModelPath": "{{Escaped(TinyModel.Path)}}", "Sessions": 2 }, "Other": {} }"""));
        Assert.Equal(2, services.BuildServiceProvider().GetRequiredService<IOptions<WarpDecodeOptions>>().Value.Sessions);
    }

    /// <summary>What is null or empty in configuration is not set.</summary>
    [Fact]
    public void DefaultsAreThoseOfTheEngineAndTheModel()
    {
        var options = Read($$"""{ "X": { "ModelPath": "{{Escaped(TinyModel.Path)}}", "ContextLength": null, "KvType": "", "Temperature": null } }""", "X");
        Assert.Equal(new EngineOptions { Sessions = 4 }, options.ToEngineOptions());
        Assert.Equal(new SamplerOptions().ToString(), Generation(options).Sampling.ToString());
        Assert.True(options.LoadAtStartup);
    }

    [Theory]
    [InlineData("\"Backend\": \"gpu\"", "X:Backend is 'gpu'; it is Auto, Cpu, Cuda, Reference")]
    [InlineData("\"Moe\": \"fast\"", "X:Moe is 'fast'; it is Auto, WarpFp32, Conventional, ConventionalMxfp8, BF16")]
    [InlineData("\"KvType\": \"Q8_0\"", "X:KvType is 'Q8_0'; it is F32, F16, BF16")]
    [InlineData("\"KvType\": \"0\"", "X:KvType is '0'; it is F32, F16, BF16")]
    [InlineData("\"ContextLength\": \"many\"", "X:ContextLength is 'many'; it is 1 token or more")]
    [InlineData("\"ContextLength\": 0", "X:ContextLength is 0; it is 1 token or more")]
    [InlineData("\"ContextLength\": { \"Max\": 1 }", "X:ContextLength has settings below it; it is 1 token or more")]
    [InlineData("\"Sessions\": 0", "X:Sessions is 0; it is 1 or more")]
    [InlineData("\"Sessions\": 99999999999", "X:Sessions is '99999999999'; it is 1 or more")]
    [InlineData("\"Threads\": -1", "X:Threads is -1; it is 1 or more, or 0 for one a core")]
    [InlineData("\"GpuLayers\": -1", "X:GpuLayers is -1; it is 0 or more")]
    [InlineData("\"CpuMoe\": -2", "X:CpuMoe is -2; it is 0 or more")]
    [InlineData("\"MaxOutputTokens\": 0", "X:MaxOutputTokens is 0; it is 1 or more")]
    [InlineData("\"AnswerFormat\": \"xml\"", "X:AnswerFormat is xml; it is ")]
    [InlineData("\"Temperature\": -0.5", "X:Temperature is -0.5; temperature is 0 (always the likeliest token) to 100")]
    [InlineData("\"Temperature\": \"NaN\"", "X:Temperature is NaN; temperature is 0 (always the likeliest token) to 100")]
    [InlineData("\"Temperature\": \"warm\"", "X:Temperature is 'warm'; it is a number")]
    [InlineData("\"TopK\": -1", "X:TopK is -1; top-k is 0 (all tokens) or more")]
    [InlineData("\"TopP\": 0", "X:TopP is 0; top-p is above 0, up to 1 (all tokens)")]
    [InlineData("\"MinP\": 2", "X:MinP is 2; min-p is 0 (all tokens) to 1")]
    [InlineData("\"RepeatPenalty\": 0", "X:RepeatPenalty is 0; the repeat penalty is above 0, up to 100; 1 is none")]
    [InlineData("\"FrequencyPenalty\": 101", "X:FrequencyPenalty is 101; the frequency penalty is -100 to 100; 0 is none")]
    [InlineData("\"PresencePenalty\": -101", "X:PresencePenalty is -101; the presence penalty is -100 to 100; 0 is none")]
    [InlineData("\"Seed\": -1", "X:Seed is -1; it is 0 or more")]
    [InlineData("\"Stop\": [\"\"]", "X:Stop has an empty text")]
    [InlineData("\"Stop\": [[\"a\"]]", "X:Stop:0 has settings below it; it is a text")]
    [InlineData("\"LoadAtStartup\": \"later\"", "X:LoadAtStartup is 'later'; it is true or false")]
    [InlineData("\"ContextLenght\": 5", "X:ContextLenght is no setting; there are ModelPath, Backend, ")]
    [InlineData("\"ChatTemplateFile\": \"no-such.jinja\"", "X:ChatTemplateFile is 'no-such.jinja', but there is no file ")]
    public void AWrongSettingIsNamedWithWhatWasFoundAndWhatIsAllowed(string setting, string message)
    {
        var error = Assert.Throws<OptionsValidationException>(() => Read($$"""{ "X": { "ModelPath": "{{Escaped(TinyModel.Path)}}", {{setting}} } }""", "X"));
        Assert.StartsWith(message, Assert.Single(error.Failures), StringComparison.Ordinal);
    }

    [Fact]
    public void AllThatIsWrongIsSaidAtOnce()
    {
        var error = Assert.Throws<OptionsValidationException>(() => Read("""{ "X": { "ModelPath": "", "Sessions": 0, "TopP": 3, "MinP": 3 } }""", "X"));
        Assert.Equal(["X:ModelPath", "X:Sessions", "X:TopP", "X:MinP"], error.Failures.Select(f => f.Split(' ')[0]));
    }

    [Theory]
    [InlineData("", "WarpDecode:ModelPath is not set; it is the path of a model: ")]
    [InlineData("no-such-model.gguf", "WarpDecode:ModelPath is 'no-such-model.gguf', but there is no file /")]
    [InlineData("no\0such", "WarpDecode:ModelPath is 'no\0such', but there is no file of that name; ")]
    public void AMissingModelSaysWhereToGetOne(string path, string message)
    {
        var services = new ServiceCollection().AddWarpDecode(options => options.ModelPath = path).BuildServiceProvider();
        var error = Assert.Throws<OptionsValidationException>(() => services.GetRequiredService<IOptions<WarpDecodeOptions>>().Value);
        var failure = Assert.Single(error.Failures);
        Assert.StartsWith(message, failure, StringComparison.Ordinal);
        Assert.Contains("download one from huggingface.co, for example a GGUF of Qwen3-30B-A3B or Mixtral", failure, StringComparison.Ordinal);
    }

    /// <summary>Who opens a model without options is told the same.</summary>
    [Theory]
    [InlineData("wd-no-such-model.gguf")]
    [InlineData("wd-no-such-folder/model.safetensors")]
    public void OpeningAMissingModelSaysWhereToGetOne(string name)
    {
        var path = Path.Combine(Path.GetTempPath(), name);
        var error = Assert.Throws<ModelFileException>(() => Engine.Open(path));
        Assert.StartsWith($"{path}: no such file; a model is a GGUF file", error.Message, StringComparison.Ordinal);
        Assert.Contains("huggingface.co", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatTheFileSuggestsIsTakenWhereNothingIsSet()
    {
        var path = Path.Combine(Path.GetTempPath(), $"wd-{Environment.ProcessId}-suggested.gguf");
        try
        {
            TinyModel.Write(path, more: writer =>
            {
                writer.Add("general.sampling.sequence", "top_k;temperature");
                writer.Add("general.sampling.temp", 0.5f);
                writer.Add("general.sampling.top_k", 9u);
                writer.Add("general.sampling.top_p", 7f); // is out of range
                writer.Add("general.sampling.min_p", "much"); // is of the wrong type
                writer.Add("general.sampling.penalty_last_n", -1);
                writer.Add("general.sampling.penalty_repeat", 1.25f);
                writer.Add("general.sampling.xtc_probability", 0.25f);
                writer.Add("general.sampling.xtc_threshold", 0.125f);
                writer.Add("general.sampling.mirostat", 2u);
                writer.Add("general.sampling.mirostat_tau", 4f);
                writer.Add("general.sampling.mirostat_eta", 0.5f);
            });
            using var file = ModelFile.Open(path);
            var options = new WarpDecodeOptions { TopP = 0.75, MinP = 0.25, TopK = 3 };
            var sampling = options.ToGenerationOptions(file.Metadata).Sampling;
            Assert.Equal([SamplerStage.TopK, SamplerStage.Temperature], sampling.Order);
            Assert.Equal((0.5, 3, 0.75, 0.25), (sampling.Temperature, sampling.TopK, sampling.TopP, sampling.MinP));
            Assert.Equal((SamplerOptions.LongestLookBack, 1.25, 0.25, 0.125), (sampling.RepeatLastN, sampling.RepeatPenalty, sampling.XtcProbability, sampling.XtcThreshold));
            Assert.Equal((2, 4.0, 0.5), (sampling.Mirostat, sampling.MirostatTau, sampling.MirostatEta));
            // Without the settings that replace them, the file's mistakes are told.
            Assert.Contains("top-p is above 0", Assert.Throws<ArgumentOutOfRangeException>(() => new WarpDecodeOptions { MinP = 0.25 }.ToGenerationOptions(file.Metadata)).Message, StringComparison.Ordinal);
            Assert.Contains("general.sampling.min_p", Assert.Throws<ModelFileException>(() => new WarpDecodeOptions { TopP = 0.75 }.ToGenerationOptions(file.Metadata)).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static GenerationOptions Generation(WarpDecodeOptions options)
    {
        using var file = ModelFile.Open(options.ModelPath);
        return options.ToGenerationOptions(file.Metadata);
    }

    private static WarpDecodeOptions Read(string json, string section) =>
        new ServiceCollection().AddWarpDecode(Json(json).GetSection(section)).BuildServiceProvider().GetRequiredService<IOptions<WarpDecodeOptions>>().Value;

    private static IConfiguration Json(string json) => new ConfigurationBuilder().AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json))).Build();

    private static string Escaped(string path) => path.Replace("\\", "\\\\");
}
