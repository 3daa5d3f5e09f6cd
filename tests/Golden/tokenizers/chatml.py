# Renders spellings of ChatML with Jinja2, set up as transformers sets it up.
import json, os, random
import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
T = {
 "plain": "{%- for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}",
 "no dashes": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
 "double quotes": "{%- for m in messages -%}{{ \"<|im_start|>\" + m[\"role\"] + \"\\n\" + m[\"content\"] + \"<|im_end|>\\n\" }}{%- endfor -%}{%- if add_generation_prompt -%}{{ \"<|im_start|>assistant\\n\" }}{%- endif -%}",
 "attributes and tilde": "{% for message in messages %}{{ '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
 "lines": "{% for message in messages %}\n    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}\n{% endfor %}\n{% if add_generation_prompt %}\n    {{- '<|im_start|>assistant\\n' }}\n{% endif %}\n",
 "lines kept": "{% for message in messages %}\n{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' }}\n  {% endfor %}\n\n  {% if add_generation_prompt %}\n{{ '<|im_start|>assistant' }}\n\n{% endif %}\n",
 "text": "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
 "default of the flag": "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
 "text around": "begin\n  {%- for message in messages %} [{{ message['role'] }}] {{- message['content'] -}}  ;\n  {%+ endfor +%}\nmiddle {% if add_generation_prompt -%}  \n  >>{% endif %}  end\n\n",
 "windows lines": "{% for message in messages %}\r\n{{ message.role + ': ' + message.content }}\r\n{% endfor %}\r\n{% if add_generation_prompt %}\r\nassistant:\r\n{% endif %}\r\n",
 "escapes": "{% for message in messages %}{{ '\\t\\'' + message.content + '\\\\\\\"' }}{% endfor %}",
 "no generation prompt": "{% for message in messages %}{{ message['role'] + '\\n' }}{% endfor %}",
}
C = [
 {"messages":[{"role":"user","content":"Hi"}],"add_generation_prompt":True},
 {"messages":[{"role":"system","content":"You are terse."},{"role":"user","content":"2+2?\nline two  "}],"add_generation_prompt":False},
 {"messages":[{"role":"user","content":" \n a"},{"role":"assistant","content":"b\n"},{"role":"user","content":"{{ x }} <|im_end|> é 🚀"}],"add_generation_prompt":True},
 {"messages":[],"add_generation_prompt":True},
]
out={"produced_by":"jinja2 %s, ImmutableSandboxedEnvironment(trim_blocks, lstrip_blocks) as transformers sets it up; made by chatml.py"%jinja2.__version__,"cases":C,"templates":[]}
for n,t in T.items():
    j=env.from_string(t); out["templates"].append({"name":n,"template":t,"renders":[j.render(**c) for c in C]})

# The same shape with random whitespace and trim marks, for the rules about them.
r = random.Random(7)
def ws(): return "".join(r.choice([" ", "\n", "", "  ", "\t", "x", "", "\n"]) for _ in range(r.randint(0, 4)))
def block(s): return "{%" + r.choice(["", "-", "+", "", ""]) + " " + s + " " + r.choice(["", "-", "+", "", ""]) + "%}"
def output(s): return "{{" + r.choice(["", "-", ""]) + " " + s + " " + r.choice(["", "-", ""]) + "}}"
M = [{"role": "user", "content": " q\n"}, {"role": "assistant", "content": "a"}]
W = []
while len(W) < 300:
    t = (ws() + block("for m in messages") + ws() + output("m.role") + ws() + output("' ' + m['content']") + ws() + block("endfor") + ws()
         + block("if add_generation_prompt") + ws() + output("'g\\n'") + ws() + block("endif") + ws())
    j = env.from_string(t)
    W.append([t, j.render(messages=M, add_generation_prompt=True), j.render(messages=M, add_generation_prompt=False)])
out["whitespace_messages"] = M
out["whitespace"] = W
json.dump(out, open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "chatml.json"), "w"), ensure_ascii=False, indent=1)
