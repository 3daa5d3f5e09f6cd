namespace WarpDecode.Runtime;

/// <summary>A token and how likely it was.</summary>
/// <param name="Id">Token.</param>
/// <param name="LogProb">Natural logarithm of its probability.</param>
public readonly record struct TokenLogProb(int Id, double LogProb);

/// <summary>A token of an answer.</summary>
/// <param name="Id">Token.</param>
/// <param name="Time">When it was chosen, from the beginning of the request.</param>
/// <param name="LogProb">Natural logarithm of its probability, the model's own; null unless <see cref="GenerationOptions.LogProbs"/> asks for it.</param>
/// <param name="Likeliest">The likeliest tokens in its place, best first, as many as asked for.</param>
public sealed record GeneratedToken(int Id, TimeSpan Time, double? LogProb, IReadOnlyList<TokenLogProb> Likeliest);

/// <summary>
/// A piece of an answer as it comes. Texts join to the answer, tokens to all that were generated. A token comes with the text that it completes: one
/// that is held back (half a character, the beginning of a stop string) with the text that follows; those that have no text of their own (the end of
/// the turn, a stop string) with the last piece.
/// </summary>
/// <param name="Text">Whole characters; may be empty.</param>
/// <param name="Tokens">The tokens of this piece, in order.</param>
/// <param name="Result">What the answer took and why it ended, in the last piece; else null.</param>
public sealed record GenerationUpdate(string Text, IReadOnlyList<GeneratedToken> Tokens, GenerationResult? Result);
