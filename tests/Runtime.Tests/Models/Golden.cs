using System.Text.Json;

namespace WarpDecode.Runtime.Tests.Models;

/// <summary>What tests against recorded logits and continuations share.</summary>
internal static class Golden
{
    /// <summary>An array of token ids.</summary>
    public static int[] Ids(JsonElement parent, string name) => [.. parent.GetProperty(name).EnumerateArray().Select(e => e.GetInt32())];

    /// <summary>Logits of every position of a prompt, one after another.</summary>
    public static float[] Logits(string path, BackendKind backend, int[] ids)
    {
        using var engine = Engine.Open(path, new EngineOptions { Backend = backend });
        using var session = engine.CreateSession();
        var all = new List<float>();
        session.Append(ids, (_, logits) => all.AddRange(logits));
        return [.. all];
    }

    /// <summary>The likeliest tokens after what a session holds, each appended to it.</summary>
    public static int[] Greedy(Session session, int count)
    {
        var tokens = new int[count];
        for (var i = 0; i < count; i++)
        {
            tokens[i] = Best(session.Logits);
            session.Append([tokens[i]]);
        }
        return tokens;
    }

    private static int Best(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best]) best = i;
        }
        return best;
    }
}
