namespace WarpDecode.Runtime.Text;

/// <summary>A call of a tool that a model asked for.</summary>
/// <param name="Id">Names the call within its conversation, so that the answer to it can be told apart; may be empty where the format has none.</param>
/// <param name="Name">Name of the tool.</param>
/// <param name="Arguments">Its arguments, a JSON object as text.</param>
public sealed record ToolCall(string Id, string Name, string Arguments);
