namespace WarpDecode.Runtime.Text;

/// <summary>A tool that a model may call.</summary>
/// <param name="Name">Name of the tool.</param>
/// <param name="Description">What it does, for the model.</param>
/// <param name="ParametersJson">JSON schema of its arguments, as text.</param>
public sealed record ToolDefinition(string Name, string? Description, string ParametersJson);
