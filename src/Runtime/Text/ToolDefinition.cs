namespace WarpDecode.Runtime.Text;

/// <summary>A tool that a model may call.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Description">What it does; null to leave that out.</param>
/// <param name="Parameters">JSON schema of its arguments, as text; null where it takes none.</param>
public sealed record ToolDefinition(string Name, string? Description, string? Parameters);
