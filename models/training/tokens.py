"""The stream of packed token rows that background processes generate."""

import multiprocessing
import pathlib
import time

import numpy as np

import bpe
import corpus

VOCABULARY = 2816
# Token ids need only 12 bits; the top bit marks tokens the assistant says.
LEARN_BIT = 0x8000


def train_tokenizer(seed, profile, path, documents=20000):
    """BPE over the same kind of text as the training set."""
    texts = (
        text
        for index in range(documents)
        for text, _ in corpus.document(f"{seed}-tokenizer", index, profile=profile)
    )
    tokenizer = bpe.train(texts, VOCABULARY)
    tokenizer.save(path)
    return tokenizer


def encode_document(tokenizer, document):
    """Token array of a document; the top bit of a token says whether the assistant says it."""
    return np.concatenate(
        [
            np.asarray(tokenizer.encode(text), np.uint16) | np.uint16(LEARN_BIT if learn else 0)
            for text, learn in document
        ]
    )


def pack_rows(documents, length):
    """Fills rows that each begin with a document; what does not fit a row is cut off.

    A row is one token longer than the context, because inputs and targets are shifted by one.
    """
    row, used = np.empty(length + 1, np.uint16), 0
    for tokens in documents:
        taken = min(len(tokens), length + 1 - used)
        row[used : used + taken] = tokens[:taken]
        used += taken
        if used == length + 1:
            yield row
            row, used = np.empty(length + 1, np.uint16), 0


def make_rows(tokenizer, seed, first, count, length, profile, held_out=False):
    documents = (
        encode_document(tokenizer, corpus.document(seed, index, held_out, profile=profile))
        for index in range(first, first + count)
    )
    return np.stack(list(pack_rows(documents, length)))


def _produce(seed, tokenizer_path, folder, worker, workers, consumed, settings):
    tokenizer = bpe.Tokenizer.load(tokenizer_path)
    shard = worker
    while True:
        while shard > consumed.value + settings["ahead"]:
            time.sleep(0.05)
        size = settings["documents"]
        rows = make_rows(tokenizer, seed, shard * size, size, settings["length"], settings["profile"])
        partial = folder / f"{shard}.partial.npy"
        np.save(partial, rows)
        partial.rename(folder / f"{shard}.npy")
        shard += workers


class RowStream:
    """Fresh rows without end, in an order that does not depend on how many workers there are."""

    def __init__(self, seed, tokenizer_path, folder, length, profile, workers, documents=2000):
        context = multiprocessing.get_context("spawn")
        self.folder, self.length = pathlib.Path(folder), length
        self.folder.mkdir(parents=True, exist_ok=True)
        self.consumed = context.Value("i", 0)
        settings = {"length": length, "profile": profile, "documents": documents, "ahead": 2 * workers}
        self.workers = [
            context.Process(
                target=_produce,
                daemon=True,
                args=(seed, tokenizer_path, self.folder, worker, workers, self.consumed, settings),
            )
            for worker in range(workers)
        ]
        for worker in self.workers:
            worker.start()

    def _shards(self):
        while True:
            path = self.folder / f"{self.consumed.value}.npy"
            while not path.exists():
                time.sleep(0.02)
            rows = np.load(path)
            path.unlink()
            self.consumed.value += 1
            yield rows

    def batches(self, size):
        rest = np.empty((0, self.length + 1), np.uint16)
        for rows in self._shards():
            rest = np.concatenate([rest, rows])
            while len(rest) >= size:
                yield rest[:size]
                rest = rest[size:]

    def close(self):
        for worker in self.workers:
            worker.terminate()
