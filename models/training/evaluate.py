#!/usr/bin/env python3
"""Measures an exported GGUF: perplexity, exact match per skill, router load, sample chats.

Everything runs on the dequantized Q8_0 weights in float32.
"""

import argparse
import collections
import json
import math
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F

import bpe
import items
import model as fast
import tokens
from export_gguf import GgufReader

REFERENCE_PROMPT = (
    "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\nThe capital of France is Paris.<|im_end|>\n"
    "<|im_start|>user\nAnd of Italy?<|im_end|>\n<|im_start|>assistant\n"
)

SCRIPTED_CHATS = (
    (
        "Hello!",
        "My name is Clara.",
        "What can you do?",
        "What is the capital of France?",
        "And of Italy?",
        "What is 47 + 35?",
        "plus 5?",
        "What is my name?",
        "What did I ask first?",
        "Thanks, bye!",
    ),
    (
        "hi",
        "who are you",
        "what is warp decode?",
        "and what is a mixture of experts?",
        "tell me a story about a fox",
        "who is the story about?",
        "how did it end?",
        "tell me a joke",
        "another one",
        "goodbye",
    ),
    (
        "Good morning",
        "Count from 3 to 9.",
        "Now backwards.",
        "Sort 42, 7, 19, 3.",
        "Now reverse it.",
        "Spell banana.",
        "What is cat backwards?",
        "What is 6 times 7?",
        "Is 7 even or odd?",
        "Thank you!",
    ),
    (
        "hey there",
        "how are you?",
        "what sound does a cow make?",
        "and a pig?",
        "what is a baby dog called?",
        "who is Albert Einstein?",
        "what's the weather like today?",
        "what comes after monday",
        "and after that?",
        "see you later",
    ),
    (
        "Anna is in the kitchen. Anna has a red ball. Then Anna gives the ball to Tom. Tom goes to the garden. Who has the ball?",
        "Where is Tom?",
        "What colour is the ball?",
        "What does Anna have?",
        "What is the opposite of hot?",
        "And of big?",
        "Write a Python program.",
        "What is the capital of Zorbania?",
        "What is 82 - 35?",
        "ok thanks",
    ),
    (
        "Hi, I'm Tom.",
        "What's my name?",
        "My favourite colour is green.",
        "Tell me about Japan.",
        "What language do they speak in Japan?",
        "How many days does February have?",
        "sort banana, apple, cherry",
        "which one is the first?",
        "what is my favourite colour?",
        "Bye",
    ),
)


def load_model(reader):
    """The model with the weights and the shape of a GGUF file."""

    def setting(key):
        return reader.metadata["qwen3moe." + key]

    model = fast.Model(
        fast.Config(
            vocabulary=len(reader.metadata["tokenizer.ggml.tokens"]),
            hidden=setting("embedding_length"),
            layers=setting("block_count"),
            heads=setting("attention.head_count"),
            kv_heads=setting("attention.head_count_kv"),
            head_size=setting("attention.key_length"),
            experts=setting("expert_count"),
            experts_used=setting("expert_used_count"),
            expert_size=setting("expert_feed_forward_length"),
            context=setting("context_length"),
            rope_base=setting("rope.freq_base"),
            norm_epsilon=setting("attention.layer_norm_rms_epsilon"),
        )
    )
    fast.load_named_tensors(model, reader.tensors)
    return model.eval()


def load_tokenizer(reader):
    return bpe.Tokenizer(
        reader.metadata["tokenizer.ggml.tokens"],
        [merge.split(" ") for merge in reader.metadata["tokenizer.ggml.merges"]],
    )


def prompt_of(messages):
    text = "".join(
        f"{bpe.IM_START}{message['role']}\n{message['content']}{bpe.IM_END}\n" for message in messages
    )
    return text + f"{bpe.IM_START}assistant\n"


@torch.no_grad()
def generate(model, tokenizer, prompts, longest, temperature=0.0):
    """Continues a batch of token lists until every one has said <|im_end|>."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
    visible = torch.tensor([[False] * (width - len(prompt)) + [True] * len(prompt) for prompt in prompts])
    positions = (visible.cumsum(1) - 1).clamp(min=0)
    caches = [[] for _ in model.layers]
    said, ended = [], torch.zeros(len(prompts), dtype=torch.bool)
    for _ in range(min(longest, model.config.context - width)):
        logits = model.next_logits(ids, positions, visible, caches)
        if temperature:
            ids = torch.multinomial(F.softmax(logits / temperature, -1), 1)
        else:
            ids = logits.argmax(-1, keepdim=True)
        ids = ids.masked_fill(ended[:, None], tokenizer.im_end)
        ended |= ids[:, 0] == tokenizer.im_end
        said.append(ids)
        if ended.all():
            break
        visible = torch.cat([visible, torch.ones(len(prompts), 1, dtype=torch.bool)], 1)
        positions = positions[:, -1:] + 1
    return torch.cat(said, 1).tolist()


def answers(model, tokenizer, chats, longest=160, temperature=0.0):
    prompts = [tokenizer.encode(prompt_of(messages)) for messages in chats]
    return [tokenizer.decode(ids) for ids in generate(model, tokenizer, prompts, longest, temperature)]


def exact_match(model, tokenizer, questions, batch=64):
    """Counts right answers per category; returns (table, wrong answers)."""
    lengths = {id(item): len(tokenizer.encode(prompt_of(item["messages"]))) for item in questions}
    order = sorted(questions, key=lambda item: lengths[id(item)])
    right, total, wrong = collections.Counter(), collections.Counter(), []
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        for item, answer in zip(part, answers(model, tokenizer, [item["messages"] for item in part])):
            total[item["category"]] += 1
            if items.is_correct(item, answer):
                right[item["category"]] += 1
            else:
                wrong.append(
                    {
                        "category": item["category"],
                        "question": item["messages"][-1]["content"],
                        "expected": item["answer"],
                        "got": answer,
                    }
                )
    return {category: [right[category], total[category]] for category in sorted(total)}, wrong


@torch.no_grad()
def perplexity(model, rows):
    """Perplexity of what the assistant says in packed held-out rows, its token count, the router load."""
    loss, count, loads = 0.0, 0, []
    for row in rows:
        batch = torch.from_numpy(row[None].astype(np.int64))
        ids, learn = batch & ~tokens.LEARN_BIT, batch[:, 1:] >= tokens.LEARN_BIT
        states, _, load = model.hidden_states(ids[:, :-1])
        loss += F.cross_entropy(model.logits(states[learn]), ids[:, 1:][learn], reduction="sum").item()
        count += int(learn.sum())
        loads.append(load)
    return math.exp(loss / count), count, torch.stack(loads).mean(0).tolist()


@torch.no_grad()
def text_perplexity(model, tokenizer, text):
    """Perplexity of one text in windows of the full context; a window's first token is not scored."""
    ids, context = tokenizer.encode(text), model.config.context
    loss, count = 0.0, 0
    for start in range(0, len(ids) - 1, context):
        window = torch.tensor([ids[start : start + context]])
        states, _, _ = model.hidden_states(window[:, :-1])
        loss += F.cross_entropy(model.logits(states)[0], window[0, 1:], reduction="sum").item()
        count += window.shape[1] - 1
    return {"tokens": len(ids), "perplexity": math.exp(loss / count)}


@torch.no_grad()
def multiple_choice(model, tokenizer, path):
    """The choice with the highest summed log probability wins; returns counts per category."""
    table = collections.defaultdict(lambda: [0, 0])
    for line in path.read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        context = len(tokenizer.encode(item["context"]))
        full = [tokenizer.encode(item["context"] + choice) for choice in item["choices"]]
        width = max(map(len, full))
        # Padding on the right is never seen by the tokens before it.
        states, _, _ = model.hidden_states(torch.tensor([row + [0] * (width - len(row)) for row in full]))
        logs = F.log_softmax(model.logits(states), -1)
        scores = [
            logs[index, range(context - 1, len(row) - 1), row[context:]].sum().item()
            for index, row in enumerate(full)
        ]
        table[item["category"]][0] += int(np.argmax(scores) == item["answer"])
        table[item["category"]][1] += 1
    return dict(table)


@torch.no_grad()
def reference(model, tokenizer):
    """Logits and greedy tokens for one prompt, for tests of other runtimes."""
    ids = tokenizer.encode(REFERENCE_PROMPT)
    sequence, rows = list(ids), None
    for _ in range(32):
        states, _, _ = model.hidden_states(torch.tensor([sequence]))
        logits = model.logits(states)[0]
        rows = logits if rows is None else rows
        sequence.append(int(logits[-1].argmax()))
    return {
        "prompt": REFERENCE_PROMPT,
        "ids": ids,
        "logits_last": [round(value, 6) for value in rows[-1].tolist()],
        "argmax_per_position": rows.argmax(-1).tolist(),
        "greedy32": sequence[len(ids) :],
    }


def scripted_chats(model, tokenizer, temperature=0.0):
    chats = [[] for _ in SCRIPTED_CHATS]
    for turn in range(len(SCRIPTED_CHATS[0])):
        for chat, script in zip(chats, SCRIPTED_CHATS):
            chat.append({"role": "user", "content": script[turn]})
        for chat, answer in zip(chats, answers(model, tokenizer, chats, temperature=temperature)):
            chat.append({"role": "assistant", "content": answer})
    return chats


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gguf", type=pathlib.Path)
    parser.add_argument(
        "--eval-folder", type=pathlib.Path, required=True, help="the shipped items are written here"
    )
    parser.add_argument("--report", type=pathlib.Path, required=True)
    parser.add_argument(
        "--unquantized", type=pathlib.Path, help="float32 weights (.npz), to tell what Q8_0 costs"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--profile", default="small")
    parser.add_argument("--per-category", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    started, report = time.time(), {}

    def log(*names):
        print(
            *(f"{name}: {json.dumps(report[name])}" for name in names),
            f"[{time.time() - started:.0f} s]",
            flush=True,
        )

    reader = GgufReader(arguments.gguf)
    model, tokenizer = load_model(reader), load_tokenizer(reader)
    report["parameters"] = sum(values.size for values in reader.tensors.values())
    report["chats"] = scripted_chats(model, tokenizer)
    report["chats_temperature_0.7"] = scripted_chats(model, tokenizer, temperature=0.7)
    for chat in report["chats"] + report["chats_temperature_0.7"]:
        print(
            "\n".join(f"{message['role']}: {message['content']}" for message in chat), end="\n\n", flush=True
        )

    rows = tokens.make_rows(
        tokenizer,
        f"{arguments.seed}-perplexity",
        0,
        300,
        model.config.context,
        arguments.profile,
        held_out=True,
    )
    report["perplexity"], report["perplexity_tokens"], report["router_load"] = perplexity(model, rows)
    if arguments.unquantized:
        original = fast.Model(model.config)
        fast.load_named_tensors(original, np.load(arguments.unquantized))
        report["perplexity_float32"] = perplexity(original, rows)[0]
        log("perplexity_float32")
    log("perplexity", "perplexity_tokens", "router_load")

    items.write_eval_folder(arguments.eval_folder, arguments.seed, arguments.profile)
    (arguments.eval_folder / "reference.json").write_text(
        json.dumps(reference(model, tokenizer)) + "\n", encoding="utf-8"
    )
    for name in ("heldout", "heldout_chat"):
        report[name] = text_perplexity(
            model, tokenizer, (arguments.eval_folder / f"{name}.txt").read_text(encoding="utf-8")
        )
    for name in ("choice_text", "choice_chat"):
        report[name] = multiple_choice(model, tokenizer, arguments.eval_folder / f"{name}.jsonl")
    log("heldout", "heldout_chat", "choice_text", "choice_chat")

    questions = items.exact_match_items(
        f"{arguments.seed}-measured", arguments.per_category, arguments.profile
    )
    report["exact_match"], report["wrong"] = exact_match(model, tokenizer, questions)
    log("exact_match")
    arguments.report.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
