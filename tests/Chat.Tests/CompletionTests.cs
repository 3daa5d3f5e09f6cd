using System.Text;
using System.Text.RegularExpressions;
using WarpDecode.Runtime;
using Xunit;

namespace WarpDecode.Chat.Tests;

/// <summary><c>wd-run MODEL -p TEXT</c>, and the chat that a pipe feeds.</summary>
public class CompletionTests
{
    [Fact]
    public void PrintsTheCompletionAndNothingElse()
    {
        var answer = WdRun.Complete("-p", "hello", "--temp", "0", "-n", "12").Succeeds();
        Assert.Equal(Greedy("<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n", 12), answer.Text);

        var verbose = WdRun.Complete("-p", "hello", "--temp", "0", "-n", "12", "-v");
        Assert.Equal(answer.Text, verbose.Text);
        Assert.Contains("qwen3_moe-bf16.gguf on cpu (1 thread", verbose.Errors, StringComparison.Ordinal);
        Assert.Matches(@"\[\d+ prompt tokens \(0 kept\), first token after \d+ ms; 12 tokens, [0-9.]+ tokens/s; cut at the token limit; seed \d+\]", verbose.Errors);
    }

    [Fact]
    public void SaysHowAnswersAreRead()
    {
        Assert.Contains("\nanswers content only\n", WdRun.Complete("-p", "hello", "-n", "1", "-v").Errors, StringComparison.Ordinal);
        Assert.Contains("\nanswers hermes tool calls, no reasoning\n", WdRun.Complete("-p", "hello", "-n", "1", "-v", "--answer-format", "hermes").Errors, StringComparison.Ordinal);
        WdRun.Complete("-p", "hello", "--answer-format", "klingon").Fails(2, "--answer-format takes one of auto, none, harmony,");
    }

    [Fact]
    public void BackendsAgree()
    {
        var cpu = WdRun.Run(WdRun.Model, "-p", "hello", "--temp", "0", "-n", "8", "--backend", "cpu").Succeeds();
        Assert.Equal(cpu.Text, WdRun.Run(WdRun.Model, "-p", "hello", "--temp", "0", "-n", "8", "--backend", "reference").Succeeds().Text);
        Assert.Equal(cpu.Text, WdRun.Run(WdRun.Model, "-p", "hello", "--temp", "0", "-n", "8", "--backend", "auto", "--threads", "3").Succeeds().Text);
    }

    [Fact]
    public void ReadsThePromptFromStdin()
    {
        var expected = WdRun.Complete("-p", "two\nlines", "--temp", "0", "-n", "8").Succeeds().Text;
        foreach (var stdin in new[] { "two\nlines", "two\nlines\n" })
            Assert.Equal(expected, WdRun.RunWith(stdin, WdRun.Model, "-p", "-", "--temp", "0", "-n", "8").Succeeds().Text);
        Assert.NotEqual(expected, WdRun.RunWith("two\nlines\n\n", WdRun.Model, "-p", "-", "--temp", "0", "-n", "8").Succeeds().Text);
    }

    [Fact]
    public void RawContinuesTheText()
    {
        Assert.Equal(Greedy("The license is", 10), WdRun.Complete("-p", "The license is", "--raw", "--temp", "0", "-n", "10").Succeeds().Text);
        Assert.Equal(Greedy("The license is", 10), WdRun.RunWith("The license is\n", WdRun.Model, "-p", "-", "--raw", "--temp", "0", "-n", "10").Succeeds().Text);
    }

    [Theory]
    [InlineData("@/etc/passwd")] // not a response file
    [InlineData("[suggest]")] // not a directive
    [InlineData("-x")] // not options
    [InlineData("--no-such-option")]
    [InlineData("Grüße, 世界 🙂")]
    public void ThePromptMayBeAnyText(string prompt) =>
        Assert.Equal(Greedy(prompt, 4), WdRun.Complete("--raw", "--temp", "0", "-n", "4", "-p", prompt).Succeeds().Text);

    [Fact]
    public void ASystemMessageComesFirst() => Assert.Equal(
        Greedy("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n", 10),
        WdRun.Complete("-p", "hello", "--system", "Be brief.", "--temp", "0", "-n", "10").Succeeds().Text);

    [Fact]
    public void TheSeedDecides()
    {
        string Answer(params string[] more) => WdRun.Complete(["-p", "hello", "-n", "24", .. more]).Succeeds().Text;
        var one = Answer("--seed", "1");
        Assert.Equal(one, Answer("--seed", "1"));
        Assert.NotEqual(one, Answer("--seed", "2"));
        Assert.NotEqual(Answer(), Answer()); // 32 random bits each
        Assert.NotEqual(Answer("--seed", "-1"), Answer("--seed", "-1"));
        Assert.Equal(Answer("--temp", "0", "--seed", "1"), Answer("--temp", "0", "--seed", "2"));
        Assert.Equal(Answer("--temp", "0"), Answer("--top-k", "1"));
    }

    [Fact]
    public void SamplingOptionsReachTheSampler()
    {
        string Answer(params string[] more) => WdRun.Complete(["-p", "hello", "-n", "24", "--seed", "1", .. more]).Succeeds().Text;
        var greedy = Answer("--temp", "0");
        Assert.Equal(greedy, Answer("--samplers", "top_k", "--top-k", "1", "--mirostat", "0", "--top-nsigma", "-1"));
        var piece = Regex.Match(greedy, "[ -~]{3}").Value;
        Assert.NotEqual("", piece);
        Assert.DoesNotContain(piece, Answer("--temp", "0", "--banned-string", piece), StringComparison.Ordinal);
        string[][] others =
        [
            ["--mirostat", "2", "--mirostat-ent", "9"], ["--temp", "0", "--repeat-penalty", "50", "--repeat-last-n", "-1"], ["--temp", "0", "--presence-penalty", "20"],
            ["--temp", "0", "--dry-multiplier", "90", "--dry-allowed-length", "0", "--dry-sequence-breaker", "none"], ["--temp", "0", "--xtc-probability", "1", "--xtc-threshold", "0"],
        ];
        foreach (var other in others) Assert.NotEqual(greedy, Answer(other));
    }

    [Fact]
    public void TheSeedThatWasTakenCanBeGiven()
    {
        var first = WdRun.Complete("-p", "hello", "-n", "16", "-v");
        var seed = Regex.Match(first.Errors, @"seed (\d+)\]").Groups[1].Value;
        Assert.Equal(first.Text, WdRun.Complete("-p", "hello", "-n", "16", "--seed", seed).Succeeds().Text);
    }

    [Fact]
    public void AStopStringEndsTheAnswer()
    {
        var whole = WdRun.Complete("-p", "hello", "--temp", "0", "-n", "40").Succeeds().Text;
        // An ASCII piece of the answer that begins and ends within tokens, more likely than not.
        var piece = Regex.Match(whole[10..], "[ -~]{5}").Value;
        Assert.NotEqual("", piece);
        var stopped = WdRun.Complete("-p", "hello", "--temp", "0", "-n", "40", "--stop", "not in the answer", "--stop", piece, "-v");
        Assert.Equal(whole[..whole.IndexOf(piece, StringComparison.Ordinal)], stopped.Text);
        Assert.Contains("ended by a stop string", stopped.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void AFullContextCutsTheAnswerAndSaysSo()
    {
        var cut = WdRun.Complete("-p", "hello", "--temp", "0", "-c", "40");
        Assert.Equal(0, cut.Code);
        Assert.Equal("note:  the answer was cut: the context of 40 tokens is full (-c asks for more)\n", cut.Errors);
        Assert.NotEqual("", cut.Text);
    }

    [Fact]
    public void APipeChatsLineByLine()
    {
        string[] options = [WdRun.Model, "-t", "1", "--temp", "0", "-n", "8", "--stop", "\n"];
        var chat = WdRun.RunWith("hello\n\n  \n/help\nlast line without an end", options).Succeeds();
        Assert.Equal(3, chat.Lines.Length); // an answer a line; nothing for empty lines; commands are for people
        Assert.Equal(WdRun.Run([.. options, "-p", "hello"]).Succeeds().Text, chat.Lines[0]);
        Assert.EndsWith("\n", chat.Text, StringComparison.Ordinal);
        Assert.Equal(chat.Lines[0], WdRun.RunWith("hello\r\n", options).Succeeds().Lines[0]);
    }

    [Fact]
    public void APipedChatRemembers()
    {
        string[] options = [WdRun.Model, "-t", "1", "--temp", "0", "-n", "6", "--stop", "\n", "-v"];
        var chat = WdRun.RunWith("hello\nagain\n", options);
        Assert.Equal(0, chat.Code);
        var kept = Regex.Matches(chat.Errors, @"\[(\d+) prompt tokens \((\d+) kept\)").Select(m => (Prompt: int.Parse(m.Groups[1].Value), Kept: int.Parse(m.Groups[2].Value))).ToArray();
        Assert.Equal(2, kept.Length);
        Assert.Equal(0, kept[0].Kept);
        Assert.InRange(kept[1].Kept, kept[0].Prompt, kept[1].Prompt - 1);
    }

    [Fact]
    public void NoInputNoAnswer()
    {
        Assert.Equal("", WdRun.RunWith("", WdRun.Model).Succeeds().Text);
        Assert.Equal("", WdRun.Shell("\"$wd\" \"$m\" < /dev/null").Succeeds().Text);
    }

    [Fact]
    public void ClosedStreamsAreNoStackTraces()
    {
        // A chat with a closed stdin is not tried: .NET's own signal pipe becomes descriptor 0 then, before any code of ours.
        Assert.NotEqual("", WdRun.Shell("\"$wd\" \"$m\" -p hi --temp 0 -n 5 <&-").Succeeds().Text);
        Assert.DoesNotContain("   at ", WdRun.Shell("\"$wd\" \"$m\" -p hi --temp 0 -n 5 >&-").Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void AReaderThatLeavesEndsTheProgramQuietly()
    {
        // The reference backend would need minutes for the whole context.
        var left = WdRun.Shell("\"$wd\" \"$m\" -p hi --temp 0 --backend reference | head -c 5; echo \" ${PIPESTATUS[0]}\"");
        Assert.Equal("", left.Errors);
        Assert.EndsWith(" 141\n", Encoding.Latin1.GetString(left.Bytes), StringComparison.Ordinal);
    }

    [Fact]
    public void StdoutToAFileIsAppendedTo()
    {
        var both = WdRun.Shell("""f=$(mktemp); { "$wd" "$m" -p hi --temp 0 -n 5; "$wd" "$m" -p hi --temp 0 -n 5; } > "$f"; "$wd" "$m" -p hi --temp 0 -n 5 >> "$f"; cat "$f"; rm "$f" """);
        var one = WdRun.Run(WdRun.Model, "-p", "hi", "--temp", "0", "-n", "5").Succeeds().Text;
        Assert.Equal(one + one + one, both.Succeeds().Text);
    }

    // What the engine itself says: the text of the likeliest tokens.
    private static string Greedy(string prompt, int count)
    {
        using var engine = Engine.Open(WdRun.Model, new EngineOptions { Backend = BackendKind.Cpu, Threads = 1 });
        using var session = engine.CreateSession();
        session.Append(engine.Tokenizer.Encode(prompt, addSpecial: true, parseSpecial: true));
        var ids = new List<int>();
        while (ids.Count < count)
        {
            var logits = session.Logits.ToArray();
            var likeliest = Array.IndexOf(logits, logits.Max());
            if (engine.Tokenizer.EndOfTurn.Contains(likeliest)) break;
            ids.Add(likeliest);
            session.Append([likeliest]);
        }
        return engine.Tokenizer.Decode([.. ids]);
    }
}
