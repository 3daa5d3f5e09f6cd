#!/usr/bin/env python3
"""Compares the exported model, run by transformers' Qwen3MoeForCausalLM, with eval/reference.json.

The weights are dequantized to float32 and given to transformers by name, so that nothing of model.py takes part.
"""

import argparse
import json
import pathlib

import numpy as np
import torch
from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

from export_gguf import GgufReader

LAYER_NAMES = {
    "input_layernorm.weight": "attn_norm",
    "post_attention_layernorm.weight": "ffn_norm",
    "self_attn.q_proj.weight": "attn_q",
    "self_attn.k_proj.weight": "attn_k",
    "self_attn.v_proj.weight": "attn_v",
    "self_attn.o_proj.weight": "attn_output",
    "self_attn.q_norm.weight": "attn_q_norm",
    "self_attn.k_norm.weight": "attn_k_norm",
    "mlp.gate.weight": "ffn_gate_inp",
}
EXPERT_NAMES = {"gate_proj": "ffn_gate_exps", "up_proj": "ffn_up_exps", "down_proj": "ffn_down_exps"}


def tensor_for(name, tensors):
    """The tensor that transformers calls name, whether it keeps experts apart or fused."""
    if name in ("model.embed_tokens.weight", "lm_head.weight"):
        return tensors["token_embd.weight"]
    if name == "model.norm.weight":
        return tensors["output_norm.weight"]
    _, _, layer, rest = name.split(".", 3)

    def of(part):
        return tensors[f"blk.{layer}.{part}.weight"]

    if rest in LAYER_NAMES:
        return of(LAYER_NAMES[rest])
    if rest == "mlp.experts.gate_up_proj":
        return np.concatenate([of("ffn_gate_exps"), of("ffn_up_exps")], 1)
    if rest == "mlp.experts.down_proj":
        return of("ffn_down_exps")
    _, _, expert, kind, _ = rest.split(".")
    return of(EXPERT_NAMES[kind])[int(expert)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gguf", type=pathlib.Path)
    parser.add_argument("reference", type=pathlib.Path)
    arguments = parser.parse_args()
    reader = GgufReader(arguments.gguf)

    def setting(key):
        return reader.metadata["qwen3moe." + key]

    base = float(setting("rope.freq_base"))
    config = Qwen3MoeConfig(
        vocab_size=len(reader.metadata["tokenizer.ggml.tokens"]),
        hidden_size=setting("embedding_length"),
        intermediate_size=setting("expert_feed_forward_length"),
        moe_intermediate_size=setting("expert_feed_forward_length"),
        num_hidden_layers=setting("block_count"),
        num_attention_heads=setting("attention.head_count"),
        num_key_value_heads=setting("attention.head_count_kv"),
        head_dim=setting("attention.key_length"),
        num_experts=setting("expert_count"),
        num_experts_per_tok=setting("expert_used_count"),
        norm_topk_prob=True,
        max_position_embeddings=setting("context_length"),
        rope_theta=base,
        rope_parameters={"rope_type": "default", "rope_theta": base},
        rms_norm_eps=float(setting("attention.layer_norm_rms_epsilon")),
        tie_word_embeddings=True,
        attn_implementation="eager",
    )
    model = Qwen3MoeForCausalLM(config).float().eval()
    with torch.no_grad():
        for name, parameter in model.state_dict().items():
            values = torch.tensor(tensor_for(name, reader.tensors))
            assert values.shape == parameter.shape, (name, values.shape, parameter.shape)
            parameter.copy_(values)
    reference = json.loads(arguments.reference.read_text(encoding="utf-8"))
    with torch.no_grad():
        logits = model(torch.tensor([reference["ids"]])).logits[0]
        sequence = list(reference["ids"])
        for _ in reference["greedy32"]:
            sequence.append(int(model(torch.tensor([sequence])).logits[0, -1].argmax()))
    difference = (logits[-1] - torch.tensor(reference["logits_last"])).abs().max().item()
    best = logits.argmax(-1).tolist() == reference["argmax_per_position"]
    greedy = sequence[len(reference["ids"]) :] == reference["greedy32"]
    print(f"largest difference of the last logits {difference:.2e}; best tokens equal: {best}; 32 greedy tokens equal: {greedy}")
    raise SystemExit(0 if difference < 1e-3 and best and greedy else 1)


if __name__ == "__main__":
    main()
