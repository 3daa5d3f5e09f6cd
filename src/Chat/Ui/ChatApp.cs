using Terminal.Gui.App;
using WarpDecode.Chat.Conversations;

namespace WarpDecode.Chat.Ui;

/// <summary>The full-screen chat. Whatever ends it, the terminal is as before.</summary>
internal static class ChatApp
{
    /// <summary>Chats until the person leaves.</summary>
    /// <param name="setup">What is asked for.</param>
    /// <param name="conversation">Opens the conversation to go on with.</param>
    /// <param name="theme">How it looks.</param>
    /// <param name="cancellation">Ends the chat.</param>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public static void Run(ChatSetup setup, Func<ConversationStore, ConversationFile> conversation, Theme theme, CancellationToken cancellation)
    {
        var store = new ConversationStore(DataFolder.Conversations, TimeProvider.System);
        var history = new InputHistory(DataFolder.History);
        var opened = conversation(store);
        Exception? failed;
        using (IApplication app = Application.Create())
        {
            app.Init();
            app.Keyboard.KeyBindings.Clear(); // Esc would end it, Tab would go to other views
            if (app.Driver is { } driver) driver.Force16Colors |= theme.Has16;
            using var window = new ChatWindow(setup, store, opened, history, theme, TimeProvider.System);
            app.Keyboard.KeyDown += (_, key) => key.Handled |= window.HandleFirst(key);
            using var end = cancellation.Register(() => app.Invoke(window.Leave));
            app.Run(window);
            failed = window.Controller.Failed;
        }
        cancellation.ThrowIfCancellationRequested();
        if (failed is not null) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failed);
    }
}
