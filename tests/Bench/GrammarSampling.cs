using System.Diagnostics;
using System.Text.Json;
using WarpDecode.Runtime;
using WarpDecode.Runtime.Sampling;

namespace WarpDecode.Bench;

/// <summary>Answers of a model that are kept to a form, and what keeping them took.</summary>
internal sealed class GrammarSampling(Engine engine, double temperature, int seed)
{
    private readonly Random random = new(seed);
    private readonly double[] weights = new double[engine.Vocabulary];

    /// <summary>Ticks of the constraint for each token: its mask and taking it.</summary>
    public List<long> Ticks { get; } = [];

    /// <summary>Ticks of all decode steps.</summary>
    public long DecodeTicks { get; private set; }

    /// <summary>One answer; null if it is longer than so many tokens.</summary>
    public byte[]? Sample(Session session, int[] prompt, ITokenConstraint constraint, int most)
    {
        session.Rewind(0);
        session.Append(prompt);
        var text = new List<byte>();
        for (var i = 0; i < most; i++)
        {
            var begun = Stopwatch.GetTimestamp();
            var allowed = constraint.Allowed;
            var asked = Stopwatch.GetTimestamp();
            var token = Draw(session.Logits, allowed);
            var drawn = Stopwatch.GetTimestamp();
            constraint.Accept(token);
            Ticks.Add(Stopwatch.GetTimestamp() - drawn + (asked - begun));
            if (engine.Tokenizer.EndOfTurn.Contains(token)) return [.. text];
            text.AddRange(engine.Tokenizer.Bytes(token));
            begun = Stopwatch.GetTimestamp();
            session.Append([token]);
            DecodeTicks += Stopwatch.GetTimestamp() - begun;
        }
        return null;
    }

    /// <summary>Whether a text is valid by a schema, as JsonSchema.Net says.</summary>
    public static bool IsValid(Json.Schema.JsonSchema schema, byte[] text)
    {
        using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = 1000 });
        return schema.Evaluate(document.RootElement, new Json.Schema.EvaluationOptions { RequireFormatValidation = true }).IsValid;
    }

    private int Draw(ReadOnlySpan<float> logits, ReadOnlySpan<ulong> allowed)
    {
        var best = double.NegativeInfinity;
        for (var id = 0; id < logits.Length; id++)
        {
            if ((allowed[id >> 6] >> id & 1) != 0) best = Math.Max(best, logits[id]);
        }
        var total = 0.0;
        for (var id = 0; id < logits.Length; id++)
        {
            weights[id] = (allowed[id >> 6] >> id & 1) != 0 ? Math.Exp((logits[id] - best) / temperature) : 0;
            total += weights[id];
        }
        var left = random.NextDouble() * total;
        var last = -1;
        for (var id = 0; id < weights.Length; id++)
        {
            if (weights[id] <= 0) continue;
            last = id;
            if ((left -= weights[id]) < 0) break;
        }
        return last >= 0 ? last : throw new InvalidOperationException("no token is allowed");
    }
}
