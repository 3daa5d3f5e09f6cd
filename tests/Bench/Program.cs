using System.CommandLine;
using WarpDecode.Bench;
using WarpDecode.Runtime.Benchmarking;

// What bench/results.sh runs beside wd-run bench. One subcommand a benchmark, one file a subcommand.
var root = new RootCommand("Benchmarks of parts of WarpDecode Runtime, and the tables made of results. Whole models: wd-run bench.");
root.Subcommands.Add(RowsBenchmark.Command());
root.Subcommands.Add(StartupBenchmark.Command());
root.Subcommands.Add(OpenBenchmark.Command());
root.Subcommands.Add(TokenizerBenchmark.Command());
root.Subcommands.Add(Readme.Command());
root.Subcommands.Add(QuantizeErrors.Command());
root.Subcommands.Add(GrammarBenchmark.Command());
root.Subcommands.Add(UiBenchmark.Command());
root.Subcommands.Add(ScreenPicture.Command());
root.Subcommands.Add(EchoBenchmark.Command());
root.Subcommands.Add(ConversationsBenchmark.Command());
root.Subcommands.Add(RequestsBenchmark.Command());

var result = new Argument<FileInfo>("RESULT") { Description = "What wd-run bench --json wrote." };
var render = new Command("render", "Print a result of wd-run bench as Markdown.") { result };
render.SetAction(parsed => Console.Write(BenchmarkTable.ToMarkdown(BenchmarkReport.FromJson(File.ReadAllText(parsed.GetValue(result)!.FullName)))));
root.Subcommands.Add(render);
return root.Parse(args).Invoke();
