using System.CommandLine;
using System.Globalization;
using WarpDecode.Formats;
using WarpDecode.Runtime;

namespace WarpDecode.Chat;

/// <summary>The options that say where and how a model runs.</summary>
internal sealed class EngineOptionsBinder
{
    private const int MostThreads = 1024; // a typing mistake should not exhaust the machine

    private readonly Option<int> context;

    private readonly Option<BackendKind> backend = new("--backend")
    {
        Description = "Where to compute: auto (a GPU if the model fits on it, else the cpu), cpu, cuda (an NVIDIA GPU), or reference (slow, the oracle that the others are checked against).",
        HelpName = "auto|cpu|cuda|reference",
        CustomParser = result =>
        {
            switch (result.Tokens[0].Value)
            {
                case "auto": return BackendKind.Auto;
                case "cpu": return BackendKind.Cpu;
                case "cuda": return BackendKind.Cuda;
                case "reference": return BackendKind.Reference;
                default:
                    result.AddError($"--backend takes auto, cpu, cuda or reference, not '{result.Tokens[0].Value}'");
                    return default;
            }
        },
    };

    private readonly Option<MoeForm> moe = new("--moe")
    {
        Description = "How experts are computed: auto (warp decode; on a GPU tensor cores with exact activations), warp-fp32 (FP32 lanes; on the cpu the same), or, to compare with, on the cpu: "
            + "conventional (expert-centric, activations quantized to 8 bits), conventional-mxfp8 (activations MXFP8), bf16 (warp decode, activations rounded to BF16). "
            + "Only the expert FFN changes; attention's projections stay as they are.",
        HelpName = "auto|warp-fp32|conventional|conventional-mxfp8|bf16",
        CustomParser = result =>
        {
            var word = result.Tokens[0].Value;
            foreach (var form in Enum.GetValues<MoeForm>())
            {
                if (MoeForms.NameOf(form) == word) return form;
            }
            result.AddError($"--moe takes auto, warp-fp32, conventional, conventional-mxfp8 or bf16, not '{word}'");
            return default;
        },
    };

    private readonly Option<(int GateUp, int Down)> moeAlone = new("--moe-alone")
    {
        Description = "Tokens of a step up to which the GPU reads experts for each token alone; more share what they read. One number for gate/up and down, or one for each; auto measures once what is the fastest. The results are the same.",
        HelpName = "auto|GATEUP[,DOWN]",
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (text == "auto") return default; // as without the option: zeros
            var parts = text.Split(',');
            if (parts.Length <= 2 && IsTokens(parts[0], out var gateUp) && IsTokens(parts[^1], out var down)) return (gateUp, down);
            result.AddError($"--moe-alone takes auto, or tokens from 1 on for gate/up and down (8 or 8,4), not '{text}'");
            return default;
        },
    };

    private readonly Option<int> threads = new Option<int>("--threads", "-t")
    {
        Description = "Threads of the cpu backend; 0 for one a core.",
        HelpName = "N",
        DefaultValueFactory = _ => 0,
    }.TakesNumber(n => n is >= 0 and <= MostThreads, $"0 to {MostThreads}");

    private readonly Option<int> gpuLayers = new Option<int>("--gpu-layers")
    {
        Description = "Layers, from the first on, that the GPU computes; the cpu computes the others. -1 for all.",
        HelpName = "N",
        DefaultValueFactory = _ => -1,
    }.TakesNumber(n => n >= -1, "0 or more, or -1 for all");

    private readonly Option<int> cpuMoe = new Option<int>("--cpu-moe")
    {
        Description = "Layers, from the first on, whose experts stay in the host's memory and are computed by the cpu.",
        HelpName = "N",
        DefaultValueFactory = _ => 0,
    }.TakesNumber(n => n >= 0, "0 or more");

    private readonly Option<WeightType?> kvType = new("--kv-type")
    {
        Description = "Type of the cached keys and values. f16 halves their memory on a GPU, at an error of about 2^-12. Default: f32.",
        HelpName = "f32|f16|bf16",
        CustomParser = result =>
        {
            switch (result.Tokens[0].Value)
            {
                case "f32": return WeightType.F32;
                case "f16": return WeightType.F16;
                case "bf16": return WeightType.BF16;
                default:
                    result.AddError($"--kv-type takes f32, f16 or bf16, not '{result.Tokens[0].Value}'");
                    return null;
            }
        },
    };

    private readonly Option<string?> pre = PreTokenizerOption();

    /// <param name="contextIs">What the tokens of --context are, if not those of a conversation.</param>
    /// <param name="usualContext">How many they are where nothing is said; 0 for what the model was trained for.</param>
    public EngineOptionsBinder(string contextIs = "Most tokens of the conversation", int usualContext = 0) =>
        context = new Option<int>("--context", "-c")
        {
            Description = contextIs + "; 0 for what the model was trained for, if the memory allows.",
            HelpName = "N",
            DefaultValueFactory = _ => usualContext,
        }.TakesNumber(n => n >= 0, "0 or more");

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { context, backend, gpuLayers, cpuMoe, moe, moeAlone, threads, kvType, pre }) command.Options.Add(option);
    }

    /// <summary>The value of --context; null where nothing was said.</summary>
    public int? GivenContext(ParseResult parsed) => parsed.GetResult(context) is { Implicit: false } ? parsed.GetValue(context) : null;

    /// <summary>The value of --threads.</summary>
    public int Threads(ParseResult parsed) => parsed.GetValue(threads);

    private static bool IsTokens(string text, out int tokens) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out tokens) && tokens >= 1;

    /// <summary>The value of --pre.</summary>
    public string? PreTokenizer(ParseResult parsed) => parsed.GetValue(pre);

    /// <summary>--pre, for every command that turns text into tokens.</summary>
    public static Option<string?> PreTokenizerOption() => new Option<string?>("--pre")
    {
        Description = "Cut text by this pre-tokenizer of llama.cpp's list (qwen2, llama-bpe, …), whatever the model names; for byte-level BPE whose own name is not known here.",
        HelpName = "NAME",
    }.NotEmpty("a name");

    /// <summary>What the options say.</summary>
    internal EngineOptions Bind(ParseResult parsed) => new()
    {
        Backend = parsed.GetValue(backend),
        Threads = parsed.GetValue(threads),
        KvType = parsed.GetValue(kvType),
        ContextLength = parsed.GetValue(context) is > 0 and var n ? n : null,
        GpuLayers = parsed.GetValue(gpuLayers) is >= 0 and var layers ? layers : null,
        CpuMoe = parsed.GetValue(cpuMoe),
        Moe = parsed.GetValue(moe),
        PreTokenizer = parsed.GetValue(pre),
        MoeAlone = parsed.GetValue(moeAlone) is { GateUp: > 0 } alone ? alone : null,
    };

    /// <summary>Opens a model as the options say, and tells on stderr how far it is and what there is to know.</summary>
    /// <param name="model">Path of the model.</param>
    /// <param name="parsed">The command line.</param>
    /// <param name="cancellation">Ends loading.</param>
    /// <param name="adapt">What the command itself needs, added to what the options say.</param>
    /// <exception cref="UsageException">They ask for what this model or machine cannot do.</exception>
    public Engine Open(string model, ParseResult parsed, CancellationToken cancellation, Func<EngineOptions, EngineOptions>? adapt = null)
    {
        var progress = LoadProgressLine.ForTerminal();
        try
        {
            var engine = Open(model, parsed, progress, cancellation, adapt);
            progress?.Clear();
            foreach (var note in engine.Notes) Console.Error.WriteLine("note:  " + note);
            return engine;
        }
        finally
        {
            progress?.Clear();
        }
    }

    /// <summary>Opens a model as the options say, and writes nothing.</summary>
    /// <inheritdoc cref="Open(string, ParseResult, CancellationToken, Func{EngineOptions, EngineOptions}?)"/>
    public Engine Open(string model, ParseResult parsed, IProgress<LoadProgress>? progress, CancellationToken cancellation, Func<EngineOptions, EngineOptions>? adapt = null)
    {
        var options = Bind(parsed) with { Progress = progress, Cancellation = cancellation };
        try
        {
            return Engine.Open(model, adapt is null ? options : adapt(options));
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message, "Ask for less, or leave the option away: its default fits the model and the machine.");
        }
    }
}
