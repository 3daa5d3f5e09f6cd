namespace WarpDecode.Chat.Ui;

/// <summary>What a chat does now.</summary>
internal enum ChatActivity { Loading, NoModel, Idle, Reading, Answering }

/// <summary>What the status line shows.</summary>
internal sealed record ChatStatus(ChatActivity Activity)
{
    /// <summary>Name of the model.</summary>
    public string Model { get; init; } = "";

    /// <summary>Type of its weights.</summary>
    public string Weights { get; init; } = "";

    /// <summary>Where it runs.</summary>
    public string Backend { get; init; } = "";

    /// <summary>Tokens of the context that are used.</summary>
    public int Used { get; init; }

    /// <summary>Tokens of the context.</summary>
    public int Context { get; init; }

    /// <summary>Tokens a second of the answer that is being made; 0 where none is.</summary>
    public double Rate { get; init; }

    /// <summary>Tokens a second of the last answer; 0 before the first.</summary>
    public double LastRate { get; init; }

    /// <summary>From the question to the first text, of this answer or the last; null before.</summary>
    public TimeSpan? FirstAfter { get; init; }

    /// <summary>Memory that the model takes on a device; null on the host.</summary>
    public long? DeviceBytes { get; init; }

    /// <summary>How much of a prompt is read, from 0 to 1.</summary>
    public double? PromptRead { get; init; }

    /// <summary>Whether the oldest turns go when the context is full.</summary>
    public bool Shifts { get; init; }

    /// <summary>Share of the context that is used.</summary>
    public double Share => Context > 0 ? Math.Min(1, (double)Used / Context) : 0;
}
