"""A tokenizer that merges digits and the space before them, models that read its tokens, and slow references."""

from functools import cache

import torch
from decoders import random_model
from tokenizers import Tokenizer, decoders, pre_tokenizers, processors, trainers
from tokenizers.models import BPE
from transformers import PreTrainedModel, PreTrainedTokenizerFast

BOS, EOS, PAD = "<s>", "</s>", "<pad>"
CORPUS = [f"{a} + {b} = {a + b}; Reverse: {a}{b} -> {b}{a}." for a in range(40) for b in range(40)]


@cache
def merging(*, prefix: bool = True, trims: bool = False) -> Tokenizer:
    """A byte-level BPE whose tokens reach over digits and spaces, so also over the border of prompt and answer.

    With `prefix` it puts `<s>` first; with `trims` the offsets that it tells leave spaces away.
    """
    tokenizer = Tokenizer(BPE())
    # No pre-tokenizer that keeps words apart: a merge may reach over any characters.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=[PAD, BOS, EOS], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([piece for line in CORPUS for piece in line.split("; ")], trainer)
    steps = [processors.ByteLevel(trim_offsets=trims)]
    if prefix:
        steps.append(processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 1)]))
    tokenizer.post_processor = processors.Sequence(steps)
    return tokenizer


def wrapped(tokenizer: Tokenizer, **settings: object) -> PreTrainedTokenizerFast:
    """The same for Transformers; it pads left unless told otherwise."""
    names = {"bos_token": BOS, "eos_token": EOS, "pad_token": PAD, "padding_side": "left"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names | settings)


def text_model(name: str) -> PreTrainedModel:
    """A tiny random decoder, for example `gpt2` or `llama_gqa`, with a row for each token of `merging`."""
    return random_model(name, vocab_size=400)


def slow_log_prob(model: PreTrainedModel, ids: list[int], n_answer: int) -> float:
    """Log-probability of the last tokens of one unpadded row, added up token by token."""
    total = 0.0
    for place in range(len(ids) - n_answer, len(ids)):
        with torch.no_grad():
            logits = model(torch.tensor([ids[:place]])).logits[0, -1]
        total += logits.double().log_softmax(-1)[ids[place]].item()
    return total


def generated(model: PreTrainedModel, ids: list[int], n_tokens: int) -> list[int]:
    """What the model itself generates after one unpadded row, never stopping early."""
    given = torch.tensor([ids])
    settings = {"do_sample": False, "max_new_tokens": n_tokens, "min_new_tokens": n_tokens, "pad_token_id": 0}
    made = model.generate(given, attention_mask=torch.ones_like(given), eos_token_id=None, **settings)
    return made[0, len(ids) :].tolist()
