"""All-head mean ablation without this package: one full forward pass for each head.

The rivals run in another process, where this package has changed no setting.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from functools import partial
from io import StringIO
from multiprocessing.connection import Connection

import torch
from jaxtyping import Float
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor
from transformer_lens import ActivationCache, patching
from transformer_lens.model_bridge import TransformerBridge
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from headreuse.models.architectures import quiet_transformers
from headreuse.records import Prompts
from scoring.floor import synchronise
from scoring.settings import Setting

LogProb = Callable[[Tensor], Tensor]


@contextmanager
def rivals(
    setting: Setting, device: torch.device, dtype: torch.dtype = torch.float32
) -> Iterator[dict[str, Callable[[], float]]]:
    """Within the block, functions that run a rival once and return the seconds that it took."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(there, setting, str(device), dtype), daemon=True)
    process.start()
    try:
        names = here.recv()
        yield {name: partial(_seconds_of, here, name) for name in names}
    finally:
        here.close()
        process.join()


def _seconds_of(connection: Connection, name: str) -> float:
    connection.send(name)
    seconds: float = connection.recv()
    return seconds


def _serve(connection: Connection, setting: Setting, device_name: str, dtype: torch.dtype) -> None:
    device = torch.device(device_name)
    model, prompts = setting.model(device).to(dtype), setting.prompts()
    bridge = bridge_of(model)
    works = {
        "transformer_lens": lambda: by_transformer_lens(bridge, prompts),
        "hook_loop": lambda: by_hook_loop(model, prompts),
    }
    connection.send(list(works))
    while (name := _next_name(connection)) is not None:
        work = works[name]
        synchronise(device)
        start = time.perf_counter()
        work()
        synchronise(device)
        connection.send(time.perf_counter() - start)


def _next_name(connection: Connection) -> str | None:
    """None where the other end has been closed."""
    try:
        name: str = connection.recv()
    except EOFError:
        return None
    return name


def log_prob_of(prompts: Prompts, device: torch.device) -> LogProb:
    """Mean log-probability of the answer, from logits at all positions."""
    tokens, scored = (torch.as_tensor(array, device=device) for array in (prompts.tokens, prompts.scored))

    def log_prob(logits: Float[Tensor, "prompt pos d_vocab"]) -> Tensor:
        predicted = logits[:, :-1][scored[:, 1:]].float().log_softmax(-1)
        return predicted.gather(-1, tokens[scored][:, None]).sum() / len(tokens)

    return log_prob


def bridge_of(model: LlamaForCausalLM) -> TransformerBridge:
    """A TransformerLens bridge of the same weights, on the same device."""
    with tempfile.TemporaryDirectory() as folder, quiet_transformers():
        model.save_pretrained(folder)
        tokens = {f"t{index}": index for index in range(model.config.vocab_size)}
        tokenizer = Tokenizer(WordLevel(tokens, unk_token="t0"))
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="t1", eos_token="t4").save_pretrained(folder)
        return TransformerBridge.boot_transformers(folder, device=str(model.device), dtype=model.dtype).eval()


def by_transformer_lens(bridge: TransformerBridge, prompts: Prompts) -> Float[Tensor, "layer head"]:
    """With `get_act_patch_attn_head_out_all_pos`, given the mean over the batch instead of the clean cache."""
    tokens = torch.as_tensor(prompts.tokens, device=bridge.original_model.device)
    log_prob = log_prob_of(prompts, tokens.device)
    # Its progress bar is not wanted here.
    with torch.no_grad(), redirect_stderr(StringIO()):
        logits, cache = bridge.run_with_cache(
            tokens, prepend_bos=False, names_filter=lambda name: name.endswith("hook_z")
        )
        means = {name: z.mean(0, keepdim=True).expand_as(z) for name, z in cache.items()}
        patched = patching.get_act_patch_attn_head_out_all_pos(bridge, tokens, ActivationCache(means, bridge), log_prob)
        return log_prob(logits) - patched.to(tokens.device)


def by_hook_loop(model: LlamaForCausalLM, prompts: Prompts) -> Float[Tensor, "layer head"]:
    """With hooks on a Hugging Face model and fused attention."""
    with torch.no_grad():
        return _drops(model, prompts, _mean_z(model, prompts))


def _mean_z(model: LlamaForCausalLM, prompts: Prompts) -> list[Tensor]:
    means: list[Tensor] = []
    handles = []

    def keep(_module: object, args: tuple[Tensor, ...]) -> None:
        means.append(args[0].mean(0))

    for block in model.model.layers:
        handles.append(block.self_attn.o_proj.register_forward_pre_hook(keep))
    model(input_ids=torch.as_tensor(prompts.tokens, device=model.device), use_cache=False)
    for handle in handles:
        handle.remove()
    return means


def _drops(model: LlamaForCausalLM, prompts: Prompts, means: list[Tensor]) -> Float[Tensor, "layer head"]:
    tokens = torch.as_tensor(prompts.tokens, device=model.device)
    log_prob = log_prob_of(prompts, model.device)
    d_head = model.config.head_dim
    baseline = log_prob(model(input_ids=tokens, use_cache=False).logits)
    drops = torch.zeros(len(means), model.config.num_attention_heads)
    for layer, head in torch.cartesian_prod(*map(torch.arange, drops.shape)).tolist():
        columns = slice(head * d_head, (head + 1) * d_head)

        def ablate(
            _module: object, args: tuple[Tensor, ...], layer: int = layer, columns: slice = columns
        ) -> tuple[Tensor]:
            z = args[0].clone()
            z[..., columns] = means[layer][..., columns]
            return (z,)

        handle = model.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(ablate)
        drops[layer, head] = baseline - log_prob(model(input_ids=tokens, use_cache=False).logits)
        handle.remove()
    return drops
