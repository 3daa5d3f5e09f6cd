"""Qwen3-MoE in plain PyTorch; its tensors have the names of a GGUF file."""

import dataclasses

import torch
import torch.nn.functional as F
from torch import nn


@dataclasses.dataclass
class Config:
    vocabulary: int = 2816
    hidden: int = 256
    layers: int = 4
    heads: int = 8
    kv_heads: int = 2
    head_size: int = 32
    experts: int = 8
    experts_used: int = 2
    expert_size: int = 256
    context: int = 1024
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-6


def rms_norm(x, weight, epsilon):
    x = x.float()
    if x.is_cuda:
        # One kernel instead of seven.
        return F.rms_norm(x, weight.shape, weight, epsilon)
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * weight


def rope_tables(config):
    frequencies = config.rope_base ** (-torch.arange(0, config.head_size, 2).float() / config.head_size)
    angles = torch.arange(config.context).float()[:, None] * frequencies
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        hidden, size, experts = config.hidden, config.expert_size, config.experts

        def matrix(*shape):
            return nn.Parameter(torch.randn(*shape) * shape[-1] ** -0.5)

        self.attn_norm = nn.Parameter(torch.ones(hidden))
        self.attn_q = matrix(config.heads * config.head_size, hidden)
        self.attn_k = matrix(config.kv_heads * config.head_size, hidden)
        self.attn_v = matrix(config.kv_heads * config.head_size, hidden)
        self.attn_q_norm = nn.Parameter(torch.ones(config.head_size))
        self.attn_k_norm = nn.Parameter(torch.ones(config.head_size))
        self.attn_output = matrix(hidden, config.heads * config.head_size)
        self.ffn_norm = nn.Parameter(torch.ones(hidden))
        self.ffn_gate_inp = matrix(experts, hidden)
        self.ffn_gate_exps = matrix(experts, size, hidden)
        self.ffn_up_exps = matrix(experts, size, hidden)
        self.ffn_down_exps = matrix(experts, hidden, size)
        with torch.no_grad():
            # Small residual branches at the start keep the deep sum well behaved.
            self.attn_output.mul_(0.2)
            self.ffn_down_exps.mul_(0.2)
            self.ffn_gate_inp.mul_(0.1)

    def attention(self, x, cos, sin, mask, cache=None):
        """Causal attention; a cache is a list that holds the keys and values so far."""
        c = self.config
        batch, length, _ = x.shape
        q = F.linear(x, self.attn_q).view(batch, length, c.heads, c.head_size)
        k = F.linear(x, self.attn_k).view(batch, length, c.kv_heads, c.head_size)
        v = F.linear(x, self.attn_v).view(batch, length, c.kv_heads, c.head_size).transpose(1, 2)
        q = rotate(rms_norm(q, self.attn_q_norm, c.norm_epsilon).transpose(1, 2), cos, sin)
        k = rotate(rms_norm(k, self.attn_k_norm, c.norm_epsilon).transpose(1, 2), cos, sin)
        if cache is not None:
            k, v = (torch.cat([old, new], 2) for old, new in zip(cache, (k, v))) if cache else (k, v)
            cache[:] = k, v
        elif x.is_cuda:
            # Whole rows: the scores, gigabytes for long ones, are never stored.
            group = c.heads // c.kv_heads
            k, v = k.to(v.dtype).repeat_interleave(group, 1), v.repeat_interleave(group, 1)
            out = F.scaled_dot_product_attention(q.to(v.dtype), k, v, is_causal=True)
            return F.linear(out.transpose(1, 2).reshape(batch, length, -1), self.attn_output)
        # The query heads of a group share their keys, so they are rows of one product.
        groups, group, keys = batch * c.kv_heads, c.heads // c.kv_heads, k.shape[2]
        q = (q * c.head_size**-0.5).reshape(groups, group * length, c.head_size)
        scores = torch.bmm(q, k.reshape(groups, keys, c.head_size).transpose(1, 2))
        scores = scores.view(batch, c.heads, length, keys) + mask
        shares = scores.softmax(-1).view(groups, group * length, keys).to(v.dtype)
        out = torch.bmm(shares, v.reshape(groups, keys, c.head_size)).view(
            batch, c.heads, length, c.head_size
        )
        return F.linear(out.transpose(1, 2).reshape(batch, length, -1), self.attn_output)

    def route(self, x):
        """Softmax over all experts; the best ones are kept and scaled to sum to one."""
        with torch.autocast(x.device.type, enabled=False):
            probabilities = F.softmax(F.linear(x.float(), self.ffn_gate_inp), -1)
            weights, chosen = probabilities.topk(self.config.experts_used, -1)
        return weights / weights.sum(-1, keepdim=True), chosen, probabilities

    def experts(self, x, weights, chosen):
        """Each expert sees only its tokens, gathered into one matrix."""
        if torch.is_autocast_enabled() or torch.is_autocast_cpu_enabled():
            # Cast once, not once per expert.
            x = x.bfloat16()
        order = chosen.flatten().argsort(stable=True)
        sizes = torch.bincount(chosen.flatten(), minlength=self.config.experts).tolist()
        token = order // self.config.experts_used
        parts = []
        for expert, part in enumerate(x.index_select(0, token).split(sizes)):
            inner = F.silu(F.linear(part, self.ffn_gate_exps[expert])) * F.linear(
                part, self.ffn_up_exps[expert]
            )
            parts.append(F.linear(inner, self.ffn_down_exps[expert]))
        sums = torch.cat(parts).float() * weights.flatten().index_select(0, order).unsqueeze(-1)
        return torch.zeros_like(x, dtype=torch.float32).index_add(0, token, sums)

    def forward(self, x, cos, sin, mask, cache=None):
        c = self.config
        x = x + self.attention(rms_norm(x, self.attn_norm, c.norm_epsilon), cos, sin, mask, cache)
        normed = rms_norm(x, self.ffn_norm, c.norm_epsilon).flatten(0, 1)
        weights, chosen, probabilities = self.route(normed)
        load = torch.bincount(chosen.flatten(), minlength=c.experts) / len(chosen)
        balance = c.experts / c.experts_used * (load * probabilities.mean(0)).sum()
        return x + self.experts(normed, weights, chosen).view_as(x), balance, load


class Model(nn.Module):
    """Token embeddings shared with the output, and a stack of layers."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.token_embd = nn.Parameter(torch.randn(config.vocabulary, config.hidden) * 0.03)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.output_norm = nn.Parameter(torch.ones(config.hidden))
        cos, sin = rope_tables(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def hidden_states(self, ids):
        """Final states of whole sequences, the load-balancing loss, and the expert load per layer."""
        length = ids.shape[1]
        mask = torch.full((length, length), float("-inf"), device=ids.device).triu(1)
        x = F.embedding(ids, self.token_embd)
        balances, loads = [], []
        for layer in self.layers:
            x, balance, load = layer(x, self.cos[:length], self.sin[:length], mask)
            balances.append(balance)
            loads.append(load)
        return (
            rms_norm(x, self.output_norm, self.config.norm_epsilon),
            torch.stack(balances).mean(),
            torch.stack(loads),
        )

    def logits(self, states):
        return F.linear(states, self.token_embd)

    @torch.no_grad()
    def next_logits(self, ids, positions, visible, caches):
        """Logits after the last of some new tokens, for left-padded batches with key-value caches.

        `visible` says for every key so far whether it is a token (and not padding).
        """
        length, keys = ids.shape[1], visible.shape[1]
        causal = torch.ones(length, keys, dtype=torch.bool).tril(keys - length)
        # A large finite number, because a row of padding sees nothing at all.
        mask = torch.zeros(len(ids), 1, length, keys).masked_fill(~(causal & visible[:, None, None, :]), -1e9)
        x = F.embedding(ids, self.token_embd)
        cos, sin = self.cos[positions].unsqueeze(1), self.sin[positions].unsqueeze(1)
        for layer, cache in zip(self.layers, caches):
            x, _, _ = layer(x, cos, sin, mask, cache)
        return self.logits(rms_norm(x[:, -1], self.output_norm, self.config.norm_epsilon))


def named_tensors(model):
    """The tensors under the names that GGUF files use."""
    tensors = {"token_embd.weight": model.token_embd}
    for index, layer in enumerate(model.layers):
        for name, tensor in layer.named_parameters():
            tensors[f"blk.{index}.{name}.weight"] = tensor
    tensors["output_norm.weight"] = model.output_norm
    return {name: tensor.detach() for name, tensor in tensors.items()}


def load_named_tensors(model, tensors):
    with torch.no_grad():
        for name, tensor in named_tensors(model).items():
            tensor.copy_(torch.tensor(tensors[name]))
