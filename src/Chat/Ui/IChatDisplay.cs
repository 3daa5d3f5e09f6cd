using WarpDecode.Runtime;

namespace WarpDecode.Chat.Ui;

/// <summary>Where a chat is shown. Called on the thread that the chat is used from, but for <see cref="Post"/>.</summary>
internal interface IChatDisplay
{
    /// <summary>Shows another entry at the end.</summary>
    void Add(TranscriptEntry entry);

    /// <summary>Keeps the first entries and takes the others away.</summary>
    void Truncate(int count);

    /// <summary>Puts a text where messages are written, in the place of what is there.</summary>
    void Write(string text);

    /// <summary>Puts a text where messages are written, unless there is something.</summary>
    void Restore(string text);

    /// <summary>Says something for a moment.</summary>
    void Flash(string text);

    /// <summary>Opens the view of an engine's experts, or closes it if it is open.</summary>
    void ShowExperts(Engine engine);

    /// <summary>Closes the view of the experts, before its engine goes.</summary>
    void HideExperts();

    /// <summary>Ends the chat.</summary>
    void Leave();

    /// <summary>Has something done on the thread that the chat is used from. Any thread may call it.</summary>
    void Post(Action action);
}
