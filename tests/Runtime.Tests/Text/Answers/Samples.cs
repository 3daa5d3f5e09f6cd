namespace WarpDecode.Runtime.Tests.Text;

/// <summary>An answer as a model writes it, and what it says.</summary>
/// <param name="Format">Format of the calls.</param>
/// <param name="Text">The answer.</param>
/// <param name="Content">Its content.</param>
/// <param name="Calls">Its calls: name and arguments, with a space between.</param>
internal sealed record Sample(string Format, string Text, string Content, params string[] Calls)
{
    public string Prompt { get; init; } = "";

    public string Reasoning { get; init; } = "";

    public override string ToString() => $"{Format}: {Text}";
}

/// <summary>Answers in every format.</summary>
internal static class Samples
{
    private const string Weather = """{"city": "Zürich 🌦", "days": 3}""";

    /// <summary>What is well formed.</summary>
    public static readonly Sample[] Good =
    [
        // Hermes, Qwen
        new("hermes", "Just text.\n", "Just text.\n"),
        new("hermes", $$"""<tool_call>{"name": "weather", "arguments": {{Weather}}}</tool_call>""", "", $"weather {Weather}"),
        new("hermes", $$$"""Let me see.{{{"\n"}}}<tool_call>{{{"\n"}}}{"name": "weather", "arguments": {{{Weather}}}}{{{"\n"}}}</tool_call>{{{"\n"}}}<tool_call>{{{"\n"}}}{"name": "time", "arguments": {}}{{{"\n"}}}</tool_call>""",
            "Let me see.", $"weather {Weather}", "time {}"),
        new("hermes", """A <tool_call>{"arguments": {"a": {"b": [1, {"c": null}], "d": -1.5e3}}, "name": "f"}</tool_call> B""", "A  B", """f {"a": {"b": [1, {"c": null}], "d": -1.5e3}}"""),
        new("hermes", """<tool_call>{"name": "f", "arguments": {"s": "</tool_call><tool_call>{\"name\": \"g\"} \\ \u00e9 \n"}}</tool_call>""", "",
            """f {"s": "</tool_call><tool_call>{\"name\": \"g\"} \\ \u00e9 \n"}"""),
        new("hermes", """<tool_call>[{"name": "f", "arguments": {"x": 1}}, {"name": "g", "arguments": "{\"y\": 2}"}]</tool_call>""", "", """f {"x": 1}""", """g {"y": 2}"""),
        new("hermes", """<tool_call>{"name": "now"}</tool_call><tool_call>{"name": "now", "arguments": null}</tool_call>""", "", "now {}", "now {}"),
        new("hermes", "a < b, <tool>, <tool_cal and { \"name\": 1 }", "a < b, <tool>, <tool_cal and { \"name\": 1 }"),
        new("hermes", "<think>\nHm, <tool_call> it is.\n</think>\n\nYes.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", "Yes.", "f {}") { Reasoning = "Hm, <tool_call> it is." },

        // Qwen3-Coder
        new("qwen-coder", "Reading.\n\n<tool_call>\n<function=read>\n<parameter=path>\n/tmp/a b\n</parameter>\n<parameter=text>\nline 1\n\n  </tool_call> <b>2</b>\n\n</parameter>\n<parameter=n>\n12\n</parameter>\n</function>\n</tool_call>",
            "Reading.", """read {"path":"/tmp/a b","text":"line 1\n\n  </tool_call> <b>2</b>\n","n":12}"""),
        new("qwen-coder", "<tool_call>\n<function=f>\n<parameter=o>\n{\"a\": [true, \"x\"]}\n</parameter>\n<parameter=s>\n\"quoted\"\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=now>\n</function>\n</tool_call>",
            "", """f {"o":{"a": [true, "x"]},"s":"\"quoted\""}""", "now {}"),
        new("qwen-coder", "I call it.\n<function=f>\n<parameter=x>\né\n</parameter>\n</function>\n</tool_call>", "I call it.", """f {"x":"é"}"""),
        new("qwen-coder", "<tool_call><function=f></function><function=g><parameter=x>1</parameter></function></tool_call> Done.", " Done.".Trim(), "f {}", """g {"x":1}"""),
        new("seed", "<seed:tool_call>\n<function=f>\n<parameter=x>a</parameter>\n</function>\n</seed:tool_call>", "", """f {"x":"a"}"""),

        // Llama
        new("llama", """{"name": "weather", "parameters": {"city": "Bern", "deep": {"k": ["}", "{"]}}}""", "", """weather {"city": "Bern", "deep": {"k": ["}", "{"]}}"""),
        new("llama", """<|python_tag|>{"type": "function", "name": "f", "parameters": {}}; {"name": "g", "parameters": {"x": 1}}""", "", "f {}", """g {"x": 1}"""),
        new("llama", """{"name": "f", "parameters": {}};{"name": "g", "parameters": {}}""", "", "f {}", "g {}"),
        new("llama", """I use it: <function=f>{"x": "</function>"}</function> so""", "I use it:  so", """f {"x": "</function>"}"""),
        new("llama", """<|python_tag|>brave_search.call(query="weather in \"Bern\"", n="2")""", "", """brave_search {"query": "weather in \"Bern\"", "n": "2"}"""),
        new("llama", """{"name": "Bob", "age": 7}""", """{"name": "Bob", "age": 7}"""),
        new("llama", "{ is a brace", "{ is a brace"),
        new("llama", """See {"name": "f", "parameters": {}}""", """See {"name": "f", "parameters": {}}"""),

        // Mistral
        new("mistral", $$$"""[TOOL_CALLS][{"name": "weather", "arguments": {{{Weather}}}, "id": "abcDEF123"}, {"name": "now", "arguments": {}}]""", "", $"weather {Weather}", "now {}"),
        new("mistral", $"Ok.[TOOL_CALLS]weather[ARGS]{Weather}[TOOL_CALLS]now[CALL_ID]abcDEF123[ARGS]{{}}", "Ok.", $"weather {Weather}", "now {}"),
        new("mistral", """[TOOL_CALLS] [{"name": "f", "arguments": {"s": "[TOOL_CALLS][ARGS]]"}}]""", "", """f {"s": "[TOOL_CALLS][ARGS]]"}"""),
        new("mistral", """[TOOL_CALLS]f{"a": 1}""", "", """f {"a": 1}"""),

        // DeepSeek
        new("deepseek", $"Gut.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{Weather}<｜tool▁call▁end｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{{}}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            "Gut.", $"weather {Weather}", "now {}"),
        new("deepseek", $"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{Weather}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{{\"s\": \"```<｜tool▁call▁end｜>\"}}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            "", $"weather {Weather}", """f {"s": "```<｜tool▁call▁end｜>"}"""),
        new("deepseek", "thinking<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>", "", "f {}") { Prompt = "<｜Assistant｜><think>", Reasoning = "thinking" },
        new("deepseek", """<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>"{\"a\": 1}"<｜tool▁call▁end｜><｜tool▁calls▁end｜>""", "", """f {"a": 1}"""),

        // GLM
        new("glm", "\n<think>Well.</think>\nI look.\n<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Zürich </arg_value>\n<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n</tool_call>\n<tool_call>now\n</tool_call>",
            "I look.", """weather {"city":"Zürich ","days":3}""", "now {}") { Reasoning = "Well." },
        new("glm", "<tool_call>f<arg_key>x</arg_key><arg_value></tool_call>\n<arg_key></arg_value></tool_call>", "", """f {"x":"</tool_call>\n<arg_key>"}"""),
        new("glm", "\nHello.", "Hello.") { Prompt = "<|assistant|>\n<think></think>" },

        // Kimi
        new("kimi", $"So.<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{Weather}<|tool_call_end|><|tool_call_begin|>functions.a.b:1<|tool_call_argument_begin|>{{\"s\": \"<|tool_call_end|>\"}}<|tool_call_end|><|tool_calls_section_end|>",
            "So.", $"weather {Weather}", """a.b {"s": "<|tool_call_end|>"}"""),
        new("kimi", "<think>Hm.</think><|tool_call_begin|>functions.f:12<|tool_call_argument_begin|> {}\n<|tool_call_end|> Text", "Text", "f {}") { Reasoning = "Hm." },

        // MiniMax
        new("minimax", "First.\n</think>\n\nNow.\n<minimax:tool_call>\n<invoke name=\"weather\">\n<parameter name=\"city\">Zürich\n</parameter>\n<parameter name=\"days\">3</parameter>\n</invoke>\n<invoke name=\"now\">\n</invoke>\n</minimax:tool_call>",
            "Now.", """weather {"city":"Zürich\n","days":3}""", "now {}") { Prompt = "]~b]ai\n<think>\n", Reasoning = "First." },
        new("minimax", "<minimax:tool_call><invoke name=\"f\"><parameter name=\"x\"><invoke name=\"g\"></invoke></parameter></invoke></minimax:tool_call>", "", """f {"x":"<invoke name=\"g\"></invoke>"}"""),

        // Gemma
        new("gemma", """<|tool_call>call:weather{city:<|"|>Zürich, "}"<|"|>,days:3,deep:{a:[1,<|"|>x<|"|>,{}],b:true,<|"|>c d<|"|>:null}}<tool_call|><|tool_call>call:now{}<tool_call|>""", "",
            """weather {"city":"Zürich, \"}\"","days":3,"deep":{"a":[1,"x",{}],"b":true,"c d":null}}""", "now {}"),

        // Others with JSON between markers
        new("granite", """<|tool_call|>[{"name": "f", "arguments": {"x": 1}}]""", "", """f {"x": 1}"""),
        new("granite", """<|tool_call|>{"name": "f", "arguments": {}}<|/tool_call|>""", "", "f {}"),
        new("nemotron", """<TOOLCALL>[{"name": "f", "arguments": {}}]</TOOLCALL>""", "", "f {}"),
        new("hunyuan", "<think>\nHm.\n</think>\n<answer>\nYes.\n</answer>", "Yes.") { Reasoning = "Hm." },
        new("command", """<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "f", "parameters": {"x": 1}}]<|END_ACTION|>""", "", """f {"x": 1}"""),
        new("command", "<|START_RESPONSE|>Yes, indeed.<|END_RESPONSE|>", "Yes, indeed."),

        // Harmony
        new("harmony", "<|channel|>analysis<|message|>Hm,\n <b>.<|end|><|start|>assistant<|channel|>final<|message|>Yes. ", "Yes. ") { Prompt = "<|start|>assistant", Reasoning = "Hm,\n <b>." },
        new("harmony", $"<|channel|>analysis<|message|>One.<|end|><|start|>assistant<|channel|>analysis<|message|>Two.<|end|><|start|>assistant<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{Weather}<|call|>",
            "", $"weather {Weather}") { Prompt = "<|start|>assistant", Reasoning = "One.\n\nTwo." },
        new("harmony", """ to=functions.f<|channel|>commentary json<|message|>{"s": "<|end|>"}""", "", """f {"s": "<|end|>"}""") { Prompt = "<|start|>assistant" },
        new("harmony", "<|channel|>commentary<|message|>I will look.<|end|><|start|>assistant<|channel|>commentary to=functions.f<|message|>{}<|start|>assistant to=functions.g<|channel|>commentary<|message|>{}<|end|>",
            "I will look.", "f {}", "g {}") { Prompt = "<|start|>assistant" },
        new("harmony", "No channels here.", "No channels here.") { Prompt = "<|start|>assistant" },
        new("harmony", "the rest<|return|>", "the rest") { Prompt = "<|start|>assistant<|channel|>final<|message|>" },
        new("harmony", "thought<|end|><|start|>assistant<|channel|>final<|message|>said", "said") { Prompt = "<|start|>assistant<|channel|>analysis<|message|>", Reasoning = "thought" },

        // Reasoning
        new("hermes", "Not open.", "") { Prompt = "<|im_start|>assistant\n<think>\n", Reasoning = "Not open." },
        new("hermes", "a\n\nb \n</think>\n\n c\n", "c\n") { Prompt = "<|im_start|>assistant\n<think>\n", Reasoning = "a\n\nb" },
        new("hermes", "<think>\n\n</think>\n\nHi", "Hi"),
        new("hermes", "The tag <think> opens, </think> closes.", "The tag <think> opens, </think> closes."),
        new("hermes", "<think>a</think><think>b</think>c", "c") { Reasoning = "a\n\nb" },
        new("hermes", "<thin", "<thin"),
        new("hermes", " \n ", " \n "),
    ];

    /// <summary>What is no call: it comes back as it was written.</summary>
    public static readonly (string Format, string Text)[] Malformed =
    [
        ("hermes", """<tool_call>{"name": "f", "arguments": {}"""),
        ("hermes", """<tool_call>{"name": "f", "arguments": {}}"""),
        ("hermes", """<tool_call>{"name": "f", "arguments": {}} x</tool_call>"""),
        ("hermes", """<tool_call>{"name": "f", "arguments": {x: 1}}</tool_call>"""),
        ("hermes", """<tool_call>{"name": "f", "arguments": {"x": 01}}</tool_call>"""),
        ("hermes", """<tool_call>{"name": "f", "arguments": [1]}</tool_call>"""),
        ("hermes", """<tool_call>{"name": "f", "arguments": "no"}</tool_call>"""),
        ("hermes", """<tool_call>{"name": "", "arguments": {}}</tool_call>"""),
        ("hermes", """<tool_call>{"name": "\ud800", "arguments": {}}</tool_call>"""),
        ("hermes", """<tool_call>{"arguments": {}}</tool_call>"""),
        ("hermes", """<tool_call>[]</tool_call>"""),
        ("hermes", """<tool_call>"name"</tool_call>"""),
        ("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {\"s\": \"a\nb\"}}</tool_call>"),
        ("hermes", "<tool_call>\nget_weather\n</tool_call>"),
        ("hermes", "<tool_call></tool_call> </tool_call>"),
        ("hermes", "Text <tool_call"),
        ("qwen-coder", "<tool_call>\n<function=f>\n<parameter=x>\n1\n</parameter>\n</function>"),
        ("qwen-coder", "<tool_call>\n<function=f>\n<parameter=x>\n1"),
        ("qwen-coder", "<tool_call>\n<function=f>\nx\n</function>\n</tool_call>"),
        ("qwen-coder", "<tool_call>\n<function=>\n</function>\n</tool_call>"),
        ("qwen-coder", "<tool_call>\n<function=a b>\n</function>\n</tool_call>"),
        ("qwen-coder", "use <function=name> to call"),
        ("llama", """{"name": "f", "parameters": {}"""),
        ("llama", """{"name": "f"}"""),
        ("llama", """<|python_tag|>print("hi")"""),
        ("llama", """<function=f>{"x": 1}"""),
        ("llama", """<function=f>[1]</function>"""),
        ("mistral", """[TOOL_CALLS][{"name": "f", "arguments": {}}"""),
        ("mistral", """[TOOL_CALLS]f[ARGS]{"a": """),
        ("mistral", """[TOOL_CALLS] nothing of the kind"""),
        ("mistral", """[TOOL_CALLS]f[ARGS][1]"""),
        ("deepseek", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{}"),
        ("deepseek", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": }\n```<｜tool▁call▁end｜>"),
        ("deepseek", "<｜tool▁calls▁begin｜>f"),
        ("glm", "<tool_call>f\n<arg_key>x</arg_key>\n<arg_value>1"),
        ("glm", "<tool_call>f\n<arg_key>x</arg_key>\n1</tool_call>"),
        ("glm", "<tool_call>two words\n</tool_call>"),
        ("glm", """<tool_call>{"name": "f"}</tool_call>"""),
        ("kimi", "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"a\"<|tool_call_end|><|tool_calls_section_end|>"),
        ("kimi", "<|tool_calls_section_begin|><|tool_calls_section_end|>"),
        ("minimax", "<minimax:tool_call>\n<invoke name=\"f\">\n<parameter name=\"x\">1</parameter>\n</invoke>"),
        ("minimax", "<minimax:tool_call>\n<invoke name=f>\n</invoke></minimax:tool_call>"),
        ("gemma", """<|tool_call>call:f{a:<|"|>x}<tool_call|>"""),
        ("gemma", "<|tool_call>call:f{a:b}<tool_call|>"),
        ("gemma", "<|tool_call>call:f{a:1,}<tool_call|>"),
        ("granite", "<|tool_call|>[1]"),
        ("command", "<|START_ACTION|>[]<|END_ACTION|>"),
    ];
}
