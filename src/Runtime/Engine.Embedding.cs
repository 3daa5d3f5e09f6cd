using WarpDecode.Kernels.Reference;

namespace WarpDecode.Runtime;

/// <summary>Receives the last hidden state of one position of a piece.</summary>
/// <param name="piece">Which of the pieces.</param>
/// <param name="position">Position in its session, from 0.</param>
/// <param name="state">What the output matrix would be multiplied with, the final norm included [H]; valid during the call.</param>
internal delegate void HiddenStateReader(int piece, int position, ReadOnlySpan<float> state);

/// <content>Hidden states in the place of logits.</content>
public sealed partial class Engine
{
    private float[]? finalNorm; // the host's copy, made when first needed; under the lock, as the next
    private float[]? hiddenState;

    /// <summary>Values of a hidden state, which are the dimensions of an embedding.</summary>
    public int HiddenSize => config.Hidden;

    /// <summary>Most sessions that one step takes tokens of.</summary>
    internal int StepSessions => step.PageTables.Length / PagesPerSession;

    /// <summary>
    /// Appends some tokens to each of several sessions as <see cref="Append(ReadOnlySpan{Piece}, PieceReader?, CancellationToken)"/> does, but gives
    /// the last hidden state of each position and no logits. The states have the same bits whatever other pieces there are.
    /// </summary>
    /// <param name="pieces">Different sessions of this engine, and at least one token for each.</param>
    /// <param name="reader">Is given the states, piece by piece in order of position.</param>
    /// <param name="cancellation">Stops between steps; the sessions then hold what was computed until then.</param>
    /// <exception cref="ContextFullException">A piece does not fit.</exception>
    internal void AppendForHiddenStates(ReadOnlySpan<Piece> pieces, HiddenStateReader reader, CancellationToken cancellation)
    {
        for (var (next, done) = (0, 0); next < pieces.Length;)
        {
            cancellation.ThrowIfCancellationRequested();
            using var turn = turns.Take();
            lock (steps)
            {
                ObjectDisposedException.ThrowIf(disposed, this);
                CheckFileBefore();
                var first = next;
                ForwardPieces(pieces, ref next, ref done, every: false);
                ReadHiddenStates(first, reader);
            }
        }
    }

    /// <summary>The mean over its positions of a text's last hidden states, for each of several texts [texts][H].</summary>
    /// <param name="pieces">Empty sessions, and the tokens of the texts.</param>
    /// <param name="cancellation">Stops between steps.</param>
    /// <exception cref="ContextFullException">A text does not fit.</exception>
    internal float[][] MeanHiddenStates(ReadOnlySpan<Piece> pieces, CancellationToken cancellation)
    {
        var sums = new double[pieces.Length][];
        for (var i = 0; i < sums.Length; i++) sums[i] = new double[config.Hidden];
        AppendForHiddenStates(pieces, (piece, _, state) =>
        {
            var sum = sums[piece];
            for (var i = 0; i < sum.Length; i++) sum[i] += state[i];
        }, cancellation);
        var means = new float[pieces.Length][];
        for (var i = 0; i < means.Length; i++)
        {
            var count = pieces[i].Tokens.Length;
            means[i] = Array.ConvertAll(sums[i], sum => (float)(sum / count));
        }
        return means;
    }

    /// <summary>
    /// Gives the states of the step that was computed last. Every backend leaves the residual stream where the host can read it, so the norm, which is
    /// all that is missing, is the host's: the oracle's own, in FP64.
    /// </summary>
    private unsafe void ReadHiddenStates(int firstPiece, HiddenStateReader reader)
    {
        var size = config.Hidden;
        finalNorm ??= backend.Read(model.Norm, 0, size).ToArray();
        hiddenState ??= new float[size];
        fixed (float* x = backend.Read(work.X, 0, checked(step.Count * size)), norm = finalNorm, state = hiddenState)
        {
            for (var token = 0; token < step.Count; token++)
            {
                RmsNorm.Run(x + ((long)token * size), state, norm, size, config.Epsilon);
                reader(firstPiece + step.Sequences[token], step.Positions[token], hiddenState);
            }
        }
        monitor?.Waited();
    }
}
