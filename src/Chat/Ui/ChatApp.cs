using Terminal.Gui.App;
using WarpDecode.Chat.Conversations;

namespace WarpDecode.Chat.Ui;

/// <summary>The full-screen chat. Whatever ends it, the terminal is as before.</summary>
internal static class ChatApp
{
    // Keys wait for the next round of the loop; a round without news costs next to nothing.
    private const ushort LoopsPerSecond = 100;

    /// <summary>Chats until the person leaves.</summary>
    /// <param name="setup">What is asked for.</param>
    /// <param name="conversation">Opens the conversation to go on with.</param>
    /// <param name="theme">How it looks.</param>
    /// <param name="cancellation">Ends the chat.</param>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public static void Run(ChatSetup setup, Func<ConversationStore, ConversationFile> conversation, Func<Theme> theme, CancellationToken cancellation)
    {
        // First what is seen at once, then what takes long beside it: the model, and the library of the screen.
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(setup.Model));
        var store = new ConversationStore(DataFolder.Conversations, TimeProvider.System);
        var opened = conversation(store); // what cannot be opened is said where the person is
        FirstFrame.Show(name);
        try
        {
            var preload = new Preload(setup.Model, setup.Open, cancellation);
            var failed = Show(setup with { Open = preload.Open }, name, store, opened, theme(), cancellation);
            cancellation.ThrowIfCancellationRequested();
            if (failed is not null) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failed);
        }
        finally
        {
            FirstFrame.Hide();
        }
    }

    private static Exception? Show(ChatSetup setup, string name, ConversationStore store, ConversationFile conversation, Theme theme, CancellationToken cancellation)
    {
        var history = new InputHistory(DataFolder.History);
        ChatController? chat = null;
        try
        {
            Application.MaximumIterationsPerSecond = LoopsPerSecond;
            using IApplication app = Application.Create();
            app.Init();
            FirstFrame.Again(name);
            app.Keyboard.KeyBindings.Clear(); // Esc would end it, Tab would go to other views
            if (app.Driver is { } driver) driver.Force16Colors |= theme.Has16;
            using var window = new ChatWindow(setup, store, conversation, history, theme, TimeProvider.System);
            chat = window.Controller;
            app.Keyboard.KeyDown += (_, key) => key.Handled |= window.HandleFirst(key);
            using var end = cancellation.Register(() => app.Invoke(window.Leave));
            app.Run(window);
            return chat.Failed;
        }
        finally
        {
            chat?.Dispose(); // the terminal is as before by now
        }
    }
}
