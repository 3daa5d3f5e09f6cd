#!/usr/bin/env python3
"""Trains the demo model from scratch and exports it as GGUF."""

import argparse
import json
import pathlib
import tempfile
import time

import numpy as np
import torch
import torch.nn.functional as F

import export_gguf
import model as fast
import tokens
from muon import Muon

# The router learns slowly, or it would settle on few experts before they differ.
MUON_RATE, ADAM_RATE, ROUTER_RATE = 6e-3, 4e-3, 1e-3
WARMUP_STEPS = 40
SNAPSHOT_STEPS = 400
# The rate stays flat, then falls to zero over this share of the run.
DECAY_SHARE = 0.55
BALANCE_WEIGHT = 0.03
# Tokens a row: short rows are cheaper, and a last part on long rows teaches the whole context.
SHORT_ROW, LONG_ROW = 256, 1024
GGUF_NAME, TOKENIZER_NAME = "warpdecode-tiny-moe-q8_0.gguf", "tokenizer.json"


def learning_rate_factor(step, progress):
    return min(1.0, (step + 1) / WARMUP_STEPS) * min(1.0, max(0.0, (1.0 - progress) / DECAY_SHARE))


def make_optimizers(model):
    """Pairs of optimizer and peak rate: Muon for the matrices, AdamW for everything else."""
    named = [(name, p) for layer in model.layers for name, p in layer.named_parameters()]
    routers = [p for name, p in named if name == "ffn_gate_inp"]
    matrices = [p for name, p in named if p.dim() >= 2 and name != "ffn_gate_inp"]
    others = [p for _, p in named if p.dim() == 1] + [model.token_embd, model.output_norm]

    def adam(parameters, rate):
        return torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.98), weight_decay=0.0), rate

    return (
        (Muon(matrices, lr=MUON_RATE, weight_decay=0.05), MUON_RATE),
        adam(others, ADAM_RATE),
        adam(routers, ROUTER_RATE),
    )


def loss_of(model, rows):
    """Cross entropy of what the assistant says (and of plain text), the balance loss, the load."""
    batch = torch.from_numpy(rows.astype(np.int64)).to(model.token_embd.device)
    ids = batch & ~tokens.LEARN_BIT
    learn = batch[:, 1:] >= tokens.LEARN_BIT
    with torch.autocast(batch.device.type, torch.bfloat16):
        states, balance, load = model.hidden_states(ids[:, :-1])
        logits = model.logits(states[learn])
    return F.cross_entropy(logits.float(), ids[:, 1:][learn]), balance, load


class Trainer:
    def __init__(self, arguments, tokenizer, work):
        self.arguments, self.tokenizer, self.work = arguments, tokenizer, pathlib.Path(work)
        torch.manual_seed(arguments.seed)
        torch.set_num_threads(arguments.threads)
        self.model = fast.Model(fast.Config(layers=arguments.layers)).to(arguments.device)
        self.optimizers = make_optimizers(self.model)
        self.curve, self.step, self.tokens_seen, self.started = [], 0, 0, time.time()

    def progress(self):
        if self.arguments.steps:
            return self.step / self.arguments.steps
        return (time.time() - self.started) / (60 * self.arguments.minutes)

    def train(self):
        phases = ((self.arguments.short_share, SHORT_ROW), (1.0, LONG_ROW))
        for phase, (end, length) in enumerate(phases):
            stream = tokens.RowStream(
                f"{self.arguments.seed}-{phase}",
                self.arguments.out / TOKENIZER_NAME,
                self.work / str(phase),
                length,
                self.arguments.profile,
                self.arguments.workers,
            )
            for rows in stream.batches(self.arguments.batch_tokens // length):
                progress = self.progress()
                if progress >= end:
                    break
                self._update(rows, progress)
                if self.step % SNAPSHOT_STEPS == 0:
                    self.export()
            stream.close()

    def _update(self, rows, progress):
        loss, balance, load = loss_of(self.model, rows)
        (loss + BALANCE_WEIGHT * balance).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        factor = learning_rate_factor(self.step, progress)
        for optimizer, rate in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.tokens_seen += rows[:, 1:].size
        self.curve.append((self.tokens_seen, round(loss.item(), 4)))
        if self.step % 25 == 0:
            recent = np.mean([value for _, value in self.curve[-25:]])
            seconds = time.time() - self.started
            print(
                f"step {self.step} ({progress:.0%}) loss {recent:.4f} balance {balance.item():.3f} load {load.min().item():.2f}..{load.max().item():.2f} "
                f"{seconds:.0f} s, {self.tokens_seen / seconds:.0f} tokens/s",
                flush=True,
            )

    def export(self):
        """Writes the GGUF, the float32 weights and the record of the training so far."""
        out = self.arguments.out
        tensors = {name: tensor.cpu().numpy() for name, tensor in fast.named_tensors(self.model).items()}
        np.savez(out / "float32.npz", **tensors)
        digest = export_gguf.write_gguf(out / GGUF_NAME, self.model.config, tensors, self.tokenizer)
        summary = {
            "sha256": digest,
            "bytes": (out / GGUF_NAME).stat().st_size,
            "seed": self.arguments.seed,
            "profile": self.arguments.profile,
            "batch_tokens": self.arguments.batch_tokens,
            "threads": self.arguments.threads,
            "steps": self.step,
            "tokens": self.tokens_seen,
            "seconds": round(time.time() - self.started),
        }
        (out / "training.json").write_text(
            json.dumps({**summary, "curve": self.curve}) + "\n", encoding="utf-8"
        )
        return summary


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for everything that is made")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--profile", default="small", help="which skills to teach, see corpus.py")
    parser.add_argument("--minutes", type=float, default=45.0, help="training time")
    parser.add_argument("--steps", type=int, help="train this many steps instead of some minutes")
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument(
        "--short-share",
        type=float,
        default=0.8,
        help=f"share of the run on rows of {SHORT_ROW} tokens, which are cheaper; the rest has {LONG_ROW}",
    )
    parser.add_argument("--layers", type=int, default=fast.Config.layers)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes that generate text")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    tokenizer = tokens.train_tokenizer(arguments.seed, arguments.profile, arguments.out / TOKENIZER_NAME)
    with tempfile.TemporaryDirectory() as work:
        trainer = Trainer(arguments, tokenizer, work)
        trainer.train()
    print(trainer.export())


if __name__ == "__main__":
    main()
