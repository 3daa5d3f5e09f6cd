using System.Runtime.CompilerServices;

namespace WarpDecode.Runtime.Text.Jinja;

/// <summary>What one rendering may use: steps, memory for texts and lists, and stack. A template cannot run or grow without end.</summary>
internal sealed class Budget
{
    /// <summary>Longest text and longest list.</summary>
    public const int MaxLength = 1 << 25;

    /// <summary>Most elements of a range, as Jinja's sandbox has it.</summary>
    public const int MaxRange = 100_000;

    /// <summary>What an element of a list counts, in characters.</summary>
    public const int ElementUnits = 16;

    /// <summary>What a container counts by itself.</summary>
    public const int ContainerUnits = 32;

    private const long MaxSteps = 20_000_000;
    private const long MaxUnits = 1L << 27;
    private long steps = MaxSteps;
    private long units = MaxUnits;

    /// <summary>One step, or as many as the work is worth.</summary>
    public void Step(long count = 1)
    {
        if ((steps -= count) < 0) RenderError.Limit($"the template does not end: it took more than {MaxSteps} steps");
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack()) RenderError.Limit("the template or its data is nested too deeply");
    }

    /// <summary>Work that goes over a text of this length.</summary>
    public void Scan(int length)
    {
        if (length > 64) Step(length >> 6);
    }

    /// <summary>Memory, in characters.</summary>
    public void Take(long count)
    {
        if (count > MaxLength || (units -= count) < 0) RenderError.Limit("the template makes too much text");
    }

    /// <summary>Memory of elements.</summary>
    public void TakeElements(long count)
    {
        if (count > MaxLength) RenderError.Limit("the template makes a list that is too long");
        if ((units -= ContainerUnits + (count * ElementUnits)) < 0) RenderError.Limit("the template makes too many values");
        Step(count >> 3);
    }
}
