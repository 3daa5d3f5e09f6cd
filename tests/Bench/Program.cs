using System.CommandLine;
using WarpDecode.Bench;

// One subcommand a benchmark, one file a subcommand.
var root = new RootCommand("Benchmarks of WarpDecode Runtime. Each measures the limits of the machine in the same run.");
root.Subcommands.Add(RowsBenchmark.Command());
root.Subcommands.Add(DecodeBenchmark.Command());
root.Subcommands.Add(StartupBenchmark.Command());
return root.Parse(args).Invoke();
