using System.CommandLine;
using WarpDecode.Runtime;

namespace WarpDecode.Chat;

/// <summary>The options that say where and how a model runs.</summary>
internal sealed class EngineOptionsBinder
{
    private readonly Option<string> backend = new("--backend")
    {
        Description = "Where to compute: auto, cpu, cuda (an NVIDIA GPU), or reference (slow, the oracle that the others are checked against).",
        DefaultValueFactory = _ => "auto",
    };

    private readonly Option<int> threads = new("--threads", "-t") { Description = "Threads of the cpu backend; 0 for one a core.", HelpName = "N" };

    private readonly Option<int?> context = new("--context", "-c") { Description = "Most tokens of the conversation. Default: what the model was trained for.", HelpName = "N" };

    public EngineOptionsBinder()
    {
        backend.AcceptOnlyFromAmong("auto", "cpu", "cuda", "reference");
        threads.RequireAtLeast(0);
        context.RequireAtLeast(1);
    }

    public void AddTo(Command command)
    {
        command.Options.Add(context);
        command.Options.Add(backend);
        command.Options.Add(threads);
    }

    public EngineOptions Bind(ParseResult parsed) => new()
    {
        Backend = Enum.Parse<BackendKind>(parsed.GetValue(backend)!, ignoreCase: true),
        Threads = parsed.GetValue(threads),
        ContextLength = parsed.GetValue(context),
    };
}
