"""Renders small templates with Jinja2 set up as Hugging Face transformers sets it up, and writes snippets.json beside this file.
usage: make_jinja_golden.py     (needs Python 3 with jinja2; the committed file is of Python 3.11.7 and jinja2 3.1.6)
The snippets are our own; what they render to is Jinja2's doing. Snippets whose output holds addresses are not to be put here."""
import datetime, json, pathlib
import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    e = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    e.filters["tojson"] = tojson
    e.globals["raise_exception"] = raise_exception
    e.globals["strftime_now"] = lambda fmt: datetime.datetime(2026, 3, 5, 4, 7, 9, 123456).strftime(fmt)
    return e


VARIABLES = {
    "messages": [], "s": "Hello, World", "t": "  spaced  out\ttext \n", "u": "Ünïcödé 👋 end", "n": 7, "neg": -7, "f": 2.5, "big": 12345678901234567890,
    "yes": True, "no": False, "nil": None, "l": [3, 1, 2], "words": ["pear", "Apple", "fig", "apple"], "d": {"b": 1, "a": [1, "x"], "C": None},
    "users": [{"name": "Ann", "age": 30, "city": "Bern"}, {"name": "bob", "age": 25, "city": "Rome"}, {"name": "Cy", "age": 30, "city": "Bern"}],
    "q": "it's \"q\" <b>&amp;</b>", "lines": "one\ntwo\n\nthree\r\nfour", "empty": "", "tree": [{"v": 1, "c": [{"v": 2, "c": []}, {"v": 3, "c": [{"v": 4, "c": []}]}]}],
}

EXPRESSIONS = r"""
1 + 2 * 3 - 4 / 2 | 7 // 2 | -7 // 2 | 7 % 3 | -7 % 3 | 7 % -3 | 2 ** 10 | 2 ** -1 | -2 ** 2 | 2 ** 3 ** 2 | 7.5 // 2 | -7.5 % 2 | 1 / 3 | 10 / 5 | 0.1 + 0.2 | 1e16 | 1e15 | 1.5e300 * 1e10 | 1e-5 | 0.0001 | 123456789.123 | 1e22 | 5e-324 | big * big | big - 1 | 2 ** 200 | -0.0 | 1_000 | 0x1F | 0b101 | 0o17
yes + 1 | true == 1 | 1 == 1.0 | "1" == 1 | none == false | [1, 2] == [1, 2] | (1, 2) == [1, 2] | {"a": 1} == {"a": 1.0} | 1 < 2 < 3 | 3 > 2 > 2 | "a" < "b" | [1, 2] < [1, 3] | "Z" < "a" | 1 != 2
"a" ~ 1 ~ none ~ true ~ 1.0 ~ [1, "x"] | "a" "b" 'c' | "ab" * 3 | [1] * 2 + [2] | (1,) * 2 | "x" * 0 | "x" * -1 | "a" + "b"
n if yes | n if no | (n if no) is defined | "a" if no else "b" | 1 if no else 2 if no else 3 | not yes | not not n | yes and n | no or "x" | nil or "" or 0 | no and undefined_thing | yes or undefined_thing
l[0] | l[-1] | l[5] | l[5] is defined | l[1:] | l[:-1] | l[::-1] | l[::2] | l[5:] | s[0] | s[-5:] | s[::-1] | s[7:100] | u[8] | u[9:] | u[::-1] | u | length | (1, 2, 3)[1:] | s[2:8:3] | s[8:2:-2] | range(10)[2:5] | range(3)[1] | d["b"] | d.b | d.zzz | d["zzz"] | d.items | s.upper() | "abc".upper | length
l | d | (1,) | () | [] | {} | (1, "a") | [none, true, 1.5, "it's", 'say "x"', "both ' and \""] | ["\n\t\\", "é", "\u200b", "\x7f"] | {"a": {"b": [1]}} | {1: 2, none: 3, true: 4} | [1.0, 1e100] | d.items() | d.keys() | d.values() | range(3) | range(1, 10, 3) | namespace(a=1, b="x")
1 in l | 9 in l | "ell" in s | "b" in d | "z" not in d | 1 not in l | "" in "" | 2 in range(5) | 1.0 in l
x is defined | s is defined | x is undefined | nil is none | s is string | d is mapping | l is iterable | s is iterable | n is iterable | l is sequence | d is sequence | n is sequence | n is number | f is number | yes is number | n is integer | yes is integer | f is float | yes is boolean | n is boolean | yes is true | no is false | 1 is true | 3 is odd | 3 is even | 9 is divisibleby 3 | 9 is divisibleby(4) | 1 is in [1, 2] | "a" is lower | "A" is upper | "aB" is lower | n is eq 7 | n is ne 7 | n is lt 8 | n is le 7 | n is gt 7 | n is ge 8 | n is equalto 7 | nil is sameas none | n is not none | range is callable | s is callable | "upper" is filter | "nope" is filter | "defined" is test | "<" | e is escaped | x is string | x is iterable | n is sameas 7 | s is not mapping and n is odd
s | upper | s | lower | "hello wORLD" | capitalize | "hello wORLD-foo (bar)" | title | t | trim | "xxaxx" | trim("x") | s | replace("l", "L") | s | replace("l", "L", 2) | "aaa" | replace("", "-") | s | length | s | count | l | length | d | length | s | reverse | l | reverse | list | s | first | s | last | l | first | l | last | [] | first | [] | first is defined | words | join | words | join(", ") | l | join("-") | users | join("; ", attribute="name") | l | sum | users | sum(attribute="age") | [] | sum | l | sum(start=10) | l | min | l | max | words | min | words | max | [] | max | users | map(attribute="name") | list | words | map("upper") | join(" ") | users | map(attribute="zip", default="?") | list | l | map("string") | list | users | map(attribute="name.0") | join
l | sort | l | sort(reverse=true) | words | sort | words | sort(case_sensitive=true) | users | sort(attribute="age") | map(attribute="name") | list | users | sort(attribute="city,age", reverse=true) | map(attribute="name") | list | words | unique | list | words | unique(case_sensitive=true) | list | d | dictsort | d | dictsort(true) | {"x": 3, "y": 1} | dictsort(by="value") | {"x": 3, "y": 1} | dictsort(false, "key", true) | d | items | list | d | list
l | select("odd") | list | l | reject("odd") | list | [0, 1, "", "a", none] | select | list | [0, 1, ""] | reject | list | users | selectattr("age", "equalto", 30) | map(attribute="name") | list | users | rejectattr("age", "gt", 26) | map(attribute="name") | list | users | selectattr("city") | list | length | l | select(">", 1) | list | l | select("in", [1, 3]) | list | users | selectattr("zip", "defined") | list
range(7) | batch(3) | list | range(7) | batch(3, "x") | list | range(7) | slice(3) | list | range(7) | slice(3, "x") | list | users | groupby("city") | list | length | users | groupby("city") | map(attribute="grouper") | list | users | groupby("city") | map("last") | map("length") | list | words | groupby(0) | map(attribute=0) | list
x | default("d") | x | d | nil | default("d") | nil | default("d", true) | "" | default("d", boolean=true) | 0 | d(5, true) | "42" | int | "42.9" | int | "x" | int | "x" | int(3) | "0x1f" | int(0, 16) | "1f" | int(base=16) | 3.99 | int | -3.99 | int | none | int(5) | " 12 " | int | "1_000" | int | true | int | "3.5" | float | "x" | float | 3 | float | "1e3" | float | "inf" | float | -3 | abs | f | abs | -2.5 | abs
2.5 | round | 3.5 | round | 2.675 | round(2) | 42.55 | round(1, "floor") | 42.55 | round(1, "ceil") | 7 | round | 1234 | round(-2) | 2.5 | round(0, "ceil") | 0.5 | round | 1e20 | round | 1.15 | round(1) | 15 | round(-1) | 25 | round(-1) | 15.0 | round(-1)
d | tojson | users[0] | tojson | users[0] | tojson(indent=2) | u | tojson | u | tojson(ensure_ascii=true) | [1.0, 1e20, none, true] | tojson | {"b": 1, "a": {"d": 1, "c": []}} | tojson(sort_keys=true, indent=1) | [] | tojson(indent=2) | {} | tojson(indent=2) | [1, 2] | tojson(separators=(",", ":")) | {"a": 1} | tojson(separators=(",", ":")) | "\n\t\"\\/<>&'\x01\x7f" | tojson | {1: 2, none: 3, true: 4, 1.5: 5} | tojson | (1, 2) | tojson | [[], {}, [[]]] | tojson(indent="--") | q | tojson
lines | indent | lines | indent(2, true) | lines | indent("> ", blank=true) | s | center(20) | s | center(21) | "abc" | center(6) | "abcd" | center(7) | s | wordcount | "a-b c_d" | wordcount | s | truncate(5) | "hello big wide world" | truncate(12) | "hello big wide world" | truncate(12, true) | "hello big wide world" | truncate(12, true, "~", 0) | s | string | n | string | "%s is %d" | format("x", 5) | "%(a)s" | format(a=1) | q | e | q | escape | upper | ("<"|e) + ">" | "a b/c?d=é" | urlencode | {"a": "1 2", "b": "x&y"} | urlencode | {"class": "x y", "id": 3, "z": none} | xmlattr | users[0] | attr("name") | s | attr("upper") is defined | 123456789 | filesizeformat | 1 | filesizeformat | 999 | filesizeformat | 1234567 | filesizeformat(true) | [1] | list | "ab" | list | u | list
s.lower() | s.split() | s.split(", ") | s.split("l") | s.split("l", 1) | s.rsplit("l", 1) | t.split() | t.split(none, 1) | t.rsplit(none, 1) | "a,b,,c".split(",") | "".split() | "".split(",") | lines.splitlines() | lines.splitlines(true) | t.strip() | t.lstrip() | t.rstrip() | "xxhixx".strip("x") | "abcba".lstrip("ab") | "abcba".rstrip("ab") | s.startswith("Hell") | s.startswith(("a", "H")) | s.endswith("d") | s.endswith(("x", "ld")) | s.startswith("ell", 1) | s.find("l") | s.rfind("l") | s.find("zz") | s.index("o") | s.count("l") | "aaaa".count("aa") | "abc".count("") | u.find("end") | ",".join(words) | "-".join("abc") | s.replace("l", "") | s.replace("l", "L", 1) | s.title() | "it's a dog's".title() | s.swapcase() | s.capitalize() | "abc".isalpha() | "ab1".isalnum() | "12".isdigit() | "1a".isdigit() | " ".isspace() | "".isspace() | "AB".isupper() | "ab".islower() | "a1".islower() | "12".islower() | "Ab Cd".istitle() | "foobar".removeprefix("foo") | "foobar".removesuffix("bar") | "foo".removeprefix("x") | "42".zfill(5) | "-42".zfill(5) | "ab".ljust(5) ~ "|" | "ab".rjust(5, "*") | "ab".center(5, "*") | "abc".center(6, "*") | "a=b=c".partition("=") | "a=b=c".rpartition("=") | "abc".partition("x") | "abc".rpartition("x") | "straße".upper() | "ÀÉ".lower() | "a\tb".expandtabs(4) | "abc".isidentifier()
"%s" % 1 | "%s %s" % (1, "a") | "%d%%" % 5 | "%5d|%-5d|%05d" % (1, 2, 3) | "%.2f" % 2.675 | "%8.3f|" % 3.14159 | "%x %X %o" % (255, 255, 8) | "%#x" % 255 | "%r" % "a" | "%+d" % 5 | "%e" % 12345.678 | "%g" % 0.00001234 | "%g" % 123456789 | "%c" % "x" | "%5s|%-5s|" % ("a", "b") | "%(x)s-%(y)d" % {"x": 1, "y": 2} | "%s" % [1] | "%.3s" % "abcdef" | "%i" % 3.9 | "%s" % none | "%.0f" % 0.5 | "%.0f" % 1.5
"{}".format(1) | "{} {}".format("a", "b") | "{1} {0}".format("a", "b") | "{x}".format(x=5) | "{0.name}".format(users[0]) | "{0[name]}".format(users[0]) | "{:>5}|{:<5}|{:^5}".format(1, 2, 3) | "{:05d}".format(42) | "{:.2f}".format(3.14159) | "{:,}".format(1234567) | "{:x}".format(255) | "{:#x}".format(255) | "{:e}".format(12345.678) | "{:%}".format(0.25) | "{!r}".format("a") | "{{}}".format() | "{:*^9}".format("mid") | "{:{w}}|".format("a", w=4) | "{:+}".format(5) | "{:.3}".format("abcdef") | "{:g}".format(1e10) | "{:_}".format(1234567) | "{}".format(1.0) | "{:b}".format(5)
l.index(1) | l.count(1) | (1, 2, 1).count(1) | d.get("b") | d.get("zz") | d.get("zz", 5) | d.keys() | list | d.values() | list | d.items() | list | d.items() | length | d | length | dict(a=1, b=2) | dict([("x", 1)]) | dict(d, z=1) | range(3) | list | range(5, 0, -2) | list | range(0) | list | (range(3) | list)[1] | n.bit_length() | f.is_integer()
strftime_now("%Y-%m-%d") | strftime_now("%d %b %Y") | strftime_now("%A, %B %e %H:%M:%S %p %I %j %y") | strftime_now("%-d/%-m %-H:%-M %a %f %% %U %W %V %G %u %w") | strftime_now("%c|%x|%X|%D|%F|%T|%R") | strftime_now("[%z%Z]") | strftime_now("%k %l %P %C %h %n%t")
"\x41\u00e9\t\"\'\\ \q \101 \a" | tojson | '\n' | tojson | "a\
b" | 1.5.real is defined | {"a": 1,} | [1, 2,] | (1, 2,) | {"a": 1}["a"] | [[1, 2], [3]][0][1] | "abc"[1] | (1 if yes else 2) + 1 | -n | +n | - -n | not n == 7 | n is odd and n is not even | 1 + 1 ~ "x" | "x" ~ 1 + 1 | 2 * "a" ~ "b" | l | length > 2 | l | map("string") | join("+") ~ "!" | s.split(",") | map("trim") | list | (s | upper).lower() | [1, 2] | join(",") | upper
"""

ERRORS = r"""
x.y | x["y"] | x.y.z | x + 1 | "a" + x | x < 1 | x() | -x | l.foo.bar | d.zz.yy | n.foo.bar | nil.foo.bar | s.nope() | n() | l[9].x | "a" + 1 | 1 + "a" | [1] + 1 | [1] + (2,) | "a" * "b" | {} + {} | n < "a" | nil < 1 | {} < {} | 1 in n | n in s | 1 / 0 | 1 // 0 | 1 % 0 | 1.0 / 0 | l.append(4) | d.update({}) | l.pop() | d.pop("b") | s.__class__ ~ "x" | s.__class__.__mro__ | n | length | n | list | n | join | n | first | words | sum | ["a", 1] | sort | [none, 1] | max | n | upper | d | upper | "x" | int | upper | n | items | list | n | dictsort | d | dictsort(by="x") | range(1000000) | range(1, 2, 0) | range("a") | "%d" % "a" | "%s %s" % 1 | "%s" % (1, 2) | "%y" % 1 | "{} {}".format(1) | "{a}".format() | raise_exception("stop here") | raise_exception(n) | users | map(attribute="a.b") | list | users | map | list | l | map("nope") | list | l | select("nope") | list | l | round | s | round | [1] is divisibleby 2 | x | tojson | range | tojson | {(1, 2): 3} | tojson | {[1]: 2} | dict(1) | s.index("zz") | l.index(9) | s.split("") | s.join([1]) | ",".join(n) | s.startswith(1) | s | default(1, 2, 3) | s | trim(nope=1) | s | replace("a") | n is eq | loop.index | caller() | l[::0] | (n if no).x | x is odd | cycler() | s | truncate(1) | l | batch | list | namespace(1) | d.items.foo | +"a" | "a" - "b" | 5 | abs(1) | "a" | abs | "abc" is in 5 | l | last | length | l | map("upper", 1, 2) | list | x | int | x | list | x | join | x | length | x | upper | x | first
"""

TEMPLATES = [
    "{{ 1 }}\n", "{{ 1 }}\n\n", "a\n{% if yes %}\nb\n{% endif %}\nc\n", "  {% if yes %}\n  b\n  {% endif %}\nc", "  {%+ if yes %}\n  b{% endif %}", "a {%- if yes -%} b {%- endif -%} c", "a\n  {{- n -}}\n  b",
    "{% if yes +%}\nx{% endif %}", "  {# c #}\nx", "  {# c #} x", "a  {#- c -#}  b", "{%- raw -%} {{ x }} {% y %} {%- endraw -%} z", "{% raw %}\n{{ a }}\n{% endraw %}\nb", "x{% raw %}{% endraw %}y", "  {% raw %}a{% endraw %}",
    "a\r\nb\rc\n", "{{ '\r\n' | length }}", "{% set x = 1 %}\n{{ x }}", "{% set x %}\n a{{ n }}\n{% endset %}[{{ x }}]", "{% set x | upper | trim %} abc {% endset %}[{{ x }}]", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set (a, b) = (1, (2, 3)) %}{{ b }}",
    "{% set ns = namespace(x=0) %}{% for i in l %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }} {{ ns }}", "{% set x = 1 %}{% for i in l %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}", "{% if yes %}{% set x = 5 %}{% endif %}{{ x }}",
    "{% for i in l %}{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}", "{% for i in [] %}x{% else %}none{% endfor %}", "{% for i in l if i > 1 %}{{ loop.index }}:{{ i }}/{{ loop.length }} {% endfor %}", "{% for i in l if i > 9 %}x{% else %}no{% endfor %}",
    "{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}", "{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}",
    "{% for i in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for i in [1, 1, 2] %}{{ loop.changed(i) }} {% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}", "{% for c in u %}{{ c }}.{% endfor %}",
    "{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}", "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for x in tree recursive %}{{ x.v }}@{{ loop.depth }}[{{ loop(x.c) }}]{% endfor %}",
    "{% for i in l %}{% for j in l %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}", "{% for i in l %}{% set outer = loop %}{% for j in l %}{{ outer.index }}{% endfor %}{% endfor %}", "{% for i in l %}{{ i }}{% endfor %}{{ i is defined }}", "{% for i in 1, 2 %}{{ i }}{% endfor %}", "{{ loop is defined }}",
    "{% macro m(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, c=3) }}|{{ m() }}|{{ m(b=1, a=2) }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(3) }}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}body{{ n }}{% endcall %}", "{% macro m(xs) %}{% for x in xs %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(y) m(l) %}<{{ y }}>{% endcall %}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m }}{{ m('x') | upper }}{{ m(1) is string }}",
    "{% macro m(a) %}{{ y }}{% endmacro %}{% set y = 1 %}{{ m(1) }}{% set y = 2 %}{{ m(1) }}", "{% macro m() %}{% if z is not defined %}{% set z = 'def' %}{% endif %}{{ z }}{% endmacro %}{{ m() }}{{ z is defined }}", "{% macro m(a, b) %}{{ b is defined }}{{ b }}{% endmacro %}{{ m(1) }}",
    "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}", "{% with %}{% set q2 = 1 %}{{ q2 }}{% endwith %}{{ q2 is defined }}", "{% filter upper %}abc{{ s }}{% endfilter %}", "{% filter replace('a', 'b') | upper %}banana{% endfilter %}", "{% generation %}\nabc{{ n }}\n{% endgeneration %}\nd",
    "{% block b %}x{{ n }}{% endblock %}", "{% block b %}x{% endblock b %}y", "{% print 1, 2 %}", "{% if no %}a{% elif n == 7 %}b{% else %}c{% endif %}", "{% if x %}a{% else %}b{% endif %}", "{% autoescape false %}{{ q }}{% endautoescape %}", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}", "{% set j = joiner('|') %}{{ j() }}a{{ j() }}b{{ j() }}c",
    "{% set x = [1, 2] %}{% set x = x + [3] %}{{ x }}", "{% if a is defined and a %}1{% endif %}{% if n is not none %}2{% endif %}", "{{ {'a': {'b': 1}}.a.b }}", "{{ '}}' }}{{ '{%' }}", "{{ [1,2,3][1] }}{{- 'x' -}} y", "{{n}}{{-n}}", "{%if yes%}a{%endif%}", "{% for i in l -%}\n {{ i }}\n{%- endfor %}", "{% if yes -%}\n\n  a\n{%- else -%} b {%- endif %}\n",
    "{% set x = namespace() %}{% set x.y = 1 %}{{ x.y }}{{ x.z is defined }}", "{{ 'a' if x is defined else 'b' }}{{ x|foo if false }}", "{% if false %}{{ x|foo }}{% endif %}ok", "\n\n{% set x = 1 %}\n\n{{ x }}", "{% if yes %}{% endif %}\n\n", "   {{ n }}   \n   {% set a=1 %}   \n", "{% for i in l %}\n  {{ i }}\n{% endfor %}\n", "{{ messages | length }}{% if messages %}m{% endif %}",
    # what is not a template, or fails
    "{{ 1", "{% if yes %}", "{% if yes %}{% endfor %}", "{% endif %}", "{% foo %}", "{{ }}", "{{ 1 2 }}", "{{ a b }}", "{{ 'abc }}", "{{ (1 }}", "{{ 1) }}", "{{ [1) }}", "{# abc", "{% raw %}abc", "{{ x|nope }}", "{{ x is nope }}", "{{ $ }}", "{% for i l %}{% endfor %}", "{% for i in l %}", "{% set x %}", "{% set 1 = 2 %}", "{% set x = %}", "{% macro m( %}{% endmacro %}", "{% macro m(a=1, b) %}{% endmacro %}",
    "{{ a. }}", "{{ a.1b }}", "{{ f(a=1, 2) }}", "{{ f(**a, *b) }}", "{% call m %}{% endcall %}", "{% do x %}", "{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}", "{{ x is is y }}", "{% block a-b %}{% endblock %}", "{% if %}{% endif %}", "{{ 1 if }}", "{{ not }}", "{{ 1 + }}", "{{ {1} }}", "{{ {'a' 1} }}", "{{ 'a'.b.c.d }}",
    "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(b=1) }}", "{% macro m(a) %}{{ a.b }}{% endmacro %}{{ m() }}", "{% macro m() %}{% endmacro %}{% call m() %}{% endcall %}", "{% set x = 1 %}{% set x.y = 2 %}", "{% for a, b in [1] %}{% endfor %}", "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "{% for a, b in [(1,)] %}{% endfor %}", "{% for i in n %}{% endfor %}", "{% for i in l %}{{ loop(l) }}{% endfor %}", "{% for i in l %}{{ loop.foo.bar }}{% endfor %}", "{% for i in x %}a{% else %}b{% endfor %}", "{% for i in x.y %}{% endfor %}", "{% if x.y %}{% endif %}", "{% for i in l %}{{ loop.cycle() }}{% endfor %}", "a\nb\n{{ x.y }}", "{% set ns2 = namespace(a=1) %}{{ ns2.b.c }}",
]



def render(template):
    try:
        return {"text": environment().from_string(template).render(**VARIABLES)}
    except Exception as e:
        kind = "raise_exception" if type(e) is jinja2.exceptions.TemplateError else type(e).__name__
        return {"kind": kind, "error": str(e)}


def split(line):
    """Cuts a line at ' | ' into expressions; a piece that is the name of a filter goes on with the one before, unless that has ended."""
    names = set(environment().filters) | {"tojson"}
    out = []
    for piece in line.replace("\\\n", "\n").split(" | "):
        head = piece.split("(")[0].split(" ")[0].split(".")[0]
        if out and head in names and not piece.startswith(("dict", "range")): out[-1] += " | " + piece
        else: out.append(piece)
    return out


if __name__ == "__main__":
    cases = []
    for block in (EXPRESSIONS, ERRORS):
        for line in block.strip().split("\n"):
            for expression in split(line): cases.append("{{ " + expression + " }}")
    cases += TEMPLATES
    out = [{"template": t, **render(t)} for t in dict.fromkeys(cases)]
    out = [c for c in out if " at 0x" not in c.get("text", "")]
    pathlib.Path(__file__).with_name("snippets.json").write_text(json.dumps({"now": "2026-03-05T04:07:09.123456", "variables": VARIABLES, "cases": out}, ensure_ascii=False, indent=0) + "\n")
    print(len(out), "cases,", sum("error" in c for c in out), "errors")
