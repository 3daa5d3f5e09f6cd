using System.Text.RegularExpressions;
using WarpDecode.Runtime.Text;

namespace WarpDecode.Runtime.Evaluation;

/// <summary>
/// One question: with <see cref="Choices"/> a multiple choice by likelihood, else a generation. It continues either a text
/// (<see cref="Text"/>) or a conversation (<see cref="Messages"/>).
/// </summary>
internal sealed class TaskItem
{
    /// <summary>Line of the task file, from 1.</summary>
    public required int Line { get; init; }

    public string? Id { get; init; }

    public string? Category { get; init; }

    /// <summary>The text to continue; null for a conversation.</summary>
    public string? Text { get; init; }

    /// <summary>The conversation to answer; null for a text.</summary>
    public IReadOnlyList<ChatMessage>? Messages { get; init; }

    /// <summary>The continuations to choose from; null for a generation.</summary>
    public string[]? Choices { get; init; }

    /// <summary>Place of the right choice.</summary>
    public int RightChoice { get; init; }

    /// <summary>Generations that are right; empty if only the pattern decides.</summary>
    public string[] Answers { get; init; } = [];

    /// <summary>Decides alone if there is one: a generation that it matches somewhere is right.</summary>
    public string? Pattern { get; init; }

    /// <summary>Most tokens of the generation; null for the run's own limit.</summary>
    public int? MaxTokens { get; init; }

    public string[] Stop { get; init; } = [];

    /// <summary>The pattern, compiled for one run; matching gives up after <see cref="TaskReader.PatternTime"/>.</summary>
    public static Regex Compile(string pattern, bool ignoreCase) => new(
        pattern, RegexOptions.CultureInvariant | (ignoreCase ? RegexOptions.IgnoreCase : RegexOptions.None), TaskReader.PatternTime);
}
