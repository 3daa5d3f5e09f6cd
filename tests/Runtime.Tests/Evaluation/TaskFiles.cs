using WarpDecode.Runtime.Evaluation;

namespace WarpDecode.Runtime.Tests.Evaluation;

/// <summary>Files of a test, deleted with it.</summary>
internal sealed class TaskFiles : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("wd-eval-");

    public string PathOf(string name) => Path.Combine(folder.FullName, name);

    public string Write(string name, string text)
    {
        File.WriteAllText(PathOf(name), text);
        return PathOf(name);
    }

    public EvalTask Task(params string[] lines) => EvalTask.Read(Write("task.jsonl", string.Join('\n', lines) + "\n"));

    public void Dispose() => folder.Delete(recursive: true);
}
