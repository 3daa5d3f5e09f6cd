namespace WarpDecode.Runtime.Sampling;

/// <summary>No token is left by what the answer is kept to: a constraint, a logit bias, banned strings. The logits are sound.</summary>
internal sealed class NoTokenException(string message) : InvalidOperationException(message);
