"""Writes and reads the model as a GGUF file (version 3), with Q8_0 weights."""

import hashlib
import struct

import numpy as np

from bpe import SPECIALS

ALIGNMENT = 32
F32, Q8_0 = 0, 8
_U32, _F32, _BOOL, _STRING, _ARRAY, _I32 = 4, 6, 7, 8, 9, 5
CHAT_TEMPLATE = (
    "{%- for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{%- endif %}"
)


def quantize_q8_0(values):
    """Blocks of 32 values: an fp16 scale and 32 signed bytes, exactly as ggml's reference does it."""
    blocks = np.asarray(values, np.float32).reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    with np.errstate(divide="ignore"):
        inverse = np.where(scale > 0, np.float32(1) / scale, np.float32(0)).astype(np.float32)
    scaled = blocks * inverse
    # roundf of C: halves away from zero.  numpy's own rounding would take halves to even.
    whole = np.trunc(scaled)
    rounded = whole + np.where(np.abs(scaled - whole) >= 0.5, np.sign(scaled), 0)
    out = np.empty((len(blocks), 34), np.uint8)
    out[:, :2] = scale.astype("<f2").view(np.uint8)
    out[:, 2:] = rounded.astype(np.int8).view(np.uint8)
    return out.tobytes()


def dequantize_q8_0(data, shape):
    blocks = np.frombuffer(data, np.uint8).reshape(-1, 34)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    return (blocks[:, 2:].copy().view(np.int8).astype(np.float32) * scale).reshape(shape)


def _is_quantized(name):
    return not (name.endswith("norm.weight") or "ffn_gate_inp" in name)


def _string(text):
    data = text.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def _entry(key, kind, payload):
    return _string(key) + struct.pack("<I", kind) + payload


def _strings(key, values):
    return _entry(key, _ARRAY, struct.pack("<IQ", _STRING, len(values)) + b"".join(map(_string, values)))


def _metadata(config, tokenizer):
    kinds = [3 if token in SPECIALS else 1 for token in tokenizer.tokens]

    def text(key, value):
        return _entry(key, _STRING, _string(value))

    def number(key, value):
        return _entry(key, _U32, struct.pack("<I", value))

    def real(key, value):
        return _entry(key, _F32, struct.pack("<f", value))

    prefix = "qwen3moe."
    return [
        text("general.architecture", "qwen3moe"),
        text("general.type", "model"),
        text("general.name", "WarpDecode Tiny MoE"),
        text(
            "general.description",
            "A small Mixture of Experts chat model, trained from scratch on generated text: "
            "it demonstrates the WarpDecode Runtime.",
        ),
        text("general.license", "Apache-2.0"),
        number("general.file_type", 7),
        number("general.quantization_version", 2),
        number("general.alignment", ALIGNMENT),
        # What llama.cpp takes as the default; so small a model is best with little chance.
        real("general.sampling.temp", 0.3),
        number(prefix + "block_count", config.layers),
        number(prefix + "context_length", config.context),
        number(prefix + "embedding_length", config.hidden),
        number(prefix + "feed_forward_length", config.expert_size * config.experts_used),
        number(prefix + "attention.head_count", config.heads),
        number(prefix + "attention.head_count_kv", config.kv_heads),
        number(prefix + "attention.key_length", config.head_size),
        number(prefix + "attention.value_length", config.head_size),
        real(prefix + "attention.layer_norm_rms_epsilon", config.norm_epsilon),
        real(prefix + "rope.freq_base", config.rope_base),
        number(prefix + "expert_count", config.experts),
        number(prefix + "expert_used_count", config.experts_used),
        number(prefix + "expert_feed_forward_length", config.expert_size),
        text("tokenizer.ggml.model", "gpt2"),
        text("tokenizer.ggml.pre", "qwen2"),
        _strings("tokenizer.ggml.tokens", tokenizer.tokens),
        _entry(
            "tokenizer.ggml.token_type",
            _ARRAY,
            struct.pack("<IQ", _I32, len(kinds)) + np.asarray(kinds, "<i4").tobytes(),
        ),
        _strings("tokenizer.ggml.merges", [" ".join(merge) for merge in tokenizer.merges]),
        number("tokenizer.ggml.eos_token_id", tokenizer.im_end),
        number("tokenizer.ggml.padding_token_id", tokenizer.end_of_text),
        _entry("tokenizer.ggml.add_bos_token", _BOOL, b"\0"),
        text("tokenizer.chat_template", CHAT_TEMPLATE),
    ]


def _padded(data):
    return data + b"\0" * (-len(data) % ALIGNMENT)


def write_gguf(path, config, tensors, tokenizer):
    """Writes tensors (name -> float32 array, rows first) and returns the file's SHA-256."""
    metadata = _metadata(config, tokenizer)
    infos, data, offset = [], [], 0
    for name, values in tensors.items():
        kind = Q8_0 if _is_quantized(name) else F32
        raw = quantize_q8_0(values) if kind == Q8_0 else np.asarray(values, "<f4").tobytes()
        # GGUF lists dimensions from the fastest to the slowest.
        shape = values.shape[::-1]
        infos.append(_string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset))
        data.append(_padded(raw))
        offset += len(data[-1])
    header = (
        b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)) + b"".join(metadata) + b"".join(infos)
    )
    content = _padded(header) + b"".join(data)
    with open(path, "wb") as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


class GgufReader:
    """Reads back the metadata and tensors of a GGUF file as numpy arrays."""

    _SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def __init__(self, path):
        with open(path, "rb") as file:
            self._data = file.read()
        assert self._data[:4] == b"GGUF"
        self._at = 4
        version, tensors, entries = self._read("I"), self._read("Q"), self._read("Q")
        assert version == 3
        self.metadata = {self._text(): self._value(self._read("I")) for _ in range(entries)}
        infos = []
        for _ in range(tensors):
            name = self._text()
            shape = [self._read("Q") for _ in range(self._read("I"))]
            infos.append((name, tuple(shape[::-1]), self._read("I"), self._read("Q")))
        start = self._at + -self._at % ALIGNMENT
        self.kinds = {name: kind for name, _, kind, _ in infos}
        self.tensors = {
            name: self._tensor(start + offset, shape, kind) for name, shape, kind, offset in infos
        }

    def _read(self, code):
        value = struct.unpack_from("<" + code, self._data, self._at)[0]
        self._at += struct.calcsize("<" + code)
        return value

    def _text(self):
        length = self._read("Q")
        self._at += length
        return self._data[self._at - length : self._at].decode("utf-8")

    def _value(self, kind):
        if kind == _STRING:
            return self._text()
        if kind == _ARRAY:
            inner, count = self._read("I"), self._read("Q")
            return [self._value(inner) for _ in range(count)]
        return self._read(self._SCALARS[kind])

    def _tensor(self, start, shape, kind):
        count = int(np.prod(shape))
        if kind == F32:
            return np.frombuffer(self._data, "<f4", count, start).reshape(shape)
        assert kind == Q8_0
        return dequantize_q8_0(self._data[start : start + count // 32 * 34], shape)
