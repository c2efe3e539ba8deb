"""What the README's example of given checkpoints takes for granted: two files of prompts, two series of tiny models."""

import json
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

N_PROMPTS = 64
STEPS = (10, 100, 1000)
PEOPLE = ["Mary", "John", "Anna", "Peter", "Laura", "Simon"]
THINGS = ["ball", "book", "cup", "key"]
COLOURS = ["red", "blue", "green", "black"]


def made(folder: Path, n_prompts: int = N_PROMPTS) -> None:
    """`names.jsonl`, `colours.jsonl`, and `gpt2_run` and `llama_run` with three checkpoints each."""
    draw = random.Random(0)
    rows = {
        "names": [name_prompt(draw) for _ in range(n_prompts)],
        "colours": [colour_prompt(draw) for _ in range(n_prompts)],
    }
    for name, lines in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    tokenizer = merging([line["clean"] + line["answer"] for lines in rows.values() for line in lines])
    for name, build in {"gpt2_run": gpt2, "llama_run": grouped_llama}.items():
        for step in STEPS:
            torch.manual_seed(step)
            path = folder / name / f"checkpoint-{step}"
            build(len(tokenizer)).save_pretrained(path)
            tokenizer.save_pretrained(path)


def name_prompt(draw: random.Random) -> dict[str, str]:
    a, b, c = draw.sample(PEOPLE, 3)
    start, end = f"When {a} and {b} left,", f"gave the {draw.choice(THINGS)} to"
    rest = {"corrupted": f"{start} {c} {end}", "wrong_answer": f" {b}"}
    return {"clean": f"{start} {b} {end}", "answer": f" {a}"} | rest


def colour_prompt(draw: random.Random) -> dict[str, str]:
    things, colours = draw.sample(THINGS, 3), draw.sample(COLOURS, 3)
    seen = ", a ".join(f"{colour} {thing}" for colour, thing in zip(colours, things, strict=True))
    asked = draw.randrange(3)
    return {"clean": f"I see a {seen}. The {things[asked]} is", "answer": f" {colours[asked]}"}


def merging(texts: list[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE that is trained on the prompts, so that it merges characters and the space before words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|endoftext|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=special[0], eos_token=special[0])


def gpt2(d_vocab: int) -> GPT2LMHeadModel:
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=d_vocab, bos_token_id=0, eos_token_id=0, n_positions=64, n_embd=32, n_layer=2, n_head=4)
    )


def grouped_llama(d_vocab: int) -> LlamaForCausalLM:
    sizes = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 6}
    return LlamaForCausalLM(LlamaConfig(vocab_size=d_vocab, num_key_value_heads=2, **sizes))
