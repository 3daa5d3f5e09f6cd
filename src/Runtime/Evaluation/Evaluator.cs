namespace WarpDecode.Runtime.Evaluation;

/// <summary>Puts the items of a task to a model. Thread-safe, as the engine is.</summary>
public static class Evaluator
{
    /// <summary>Runs a task, or the rest of one that was interrupted.</summary>
    /// <remarks>
    /// A choice's score is the sum of the log-probabilities of its tokens after the context (natural logarithm, FP64 over the model's
    /// logits). Answers are greedy. Neither depends on the batch, nor on whether the run was interrupted.
    /// </remarks>
    /// <param name="engine">The model, opened for <see cref="EvalPlan.Sessions"/> sessions of <see cref="EvalPlan.ContextLength"/> tokens.</param>
    /// <param name="plan">The task as the model's tokens.</param>
    /// <param name="resultsPath">File that each finished item is appended to, and that a run goes on from.</param>
    /// <param name="restart">Forgets what that file holds.</param>
    /// <param name="progress">Told on the calling thread after each item.</param>
    /// <param name="cancellation">Ends the run within one step; what is finished stays in the file.</param>
    /// <exception cref="EvalFileException">The results file is of another run or damaged, or an item is too long for the engine's context.</exception>
    /// <exception cref="ModelOutputException">The model computed something that has no probabilities.</exception>
    /// <exception cref="IOException">The results file cannot be opened or written.</exception>
    public static EvalReport Run(
        Engine engine, EvalPlan plan, string resultsPath, bool restart = false, IProgress<EvalProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentException.ThrowIfNullOrEmpty(resultsPath);
        plan.Check(engine.ContextLength);
        using var file = ResultsFile.Open(resultsPath, new ResultsFile.Header(engine, plan), plan.Task, restart, out var before);
        var task = plan.Task;
        var verdicts = new Verdict?[task.Count];
        foreach (var result in before) verdicts[result.Index] = result.Judge(task, plan.Options.IgnoreCase);
        var (done, right) = (before.Count, verdicts.Count(verdict => verdict is { Right: true }));
        progress?.Report(new EvalProgress(done, before.Count, task.Count, right));

        void Finished(ItemResult result)
        {
            var verdict = result.Judge(task, plan.Options.IgnoreCase);
            file.Append(task, result, verdict);
            verdicts[result.Index] = verdict;
            done++;
            if (verdict.Right) right++;
            progress?.Report(new EvalProgress(done, before.Count, task.Count, right));
        }

        int[] left = [.. Enumerable.Range(0, task.Count).Where(i => verdicts[i] is null)];
        using (var contexts = new ContextCache(engine, plan.Prompts))
        {
            new ChoiceBatch(engine, plan.Prompts, plan.Options.Batch, contexts).Run(
                left.Where(i => plan.Prompts[i].Choices is not null), (i, scores) => Finished(new ItemResult(i, [.. scores.Select(score => score.LogProbability)])), cancellation);
            new AnswerBatch(engine, plan, contexts).Run(left.Where(i => plan.Prompts[i].Choices is null), Finished, cancellation);
        }
        return EvalReport.Of([.. verdicts.Select((verdict, i) => (task.Items[i], verdict!.Value))]);
    }

    /// <summary>Runs a task on a thread of its own, which is also told of the progress.</summary>
    /// <inheritdoc cref="Run"/>
    public static Task<EvalReport> RunAsync(
        Engine engine, EvalPlan plan, string resultsPath, bool restart = false, IProgress<EvalProgress>? progress = null,
        CancellationToken cancellation = default) =>
        Background.Run(() => Run(engine, plan, resultsPath, restart, progress, cancellation), cancellation);
}
