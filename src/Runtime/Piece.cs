namespace WarpDecode.Runtime;

/// <summary>Tokens to append to a session, together with those of others.</summary>
internal readonly record struct Piece(Session Session, ReadOnlyMemory<int> Tokens);

/// <summary>Receives the logits of one position of a piece.</summary>
/// <param name="piece">Which of the pieces.</param>
/// <param name="position">Position in its session, from 0.</param>
/// <param name="logits">One value for each token of the vocabulary; valid during the call.</param>
internal delegate void PieceReader(int piece, int position, ReadOnlySpan<float> logits);
