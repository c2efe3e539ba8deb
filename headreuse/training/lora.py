"""Low-rank changes to a model's weights (LoRA), trained in the place of the weights and then added to them."""

import warnings
from typing import Any

import torch
from transformers import PreTrainedModel

from headreuse.errors import HeadreuseError
from headreuse.study.training_spec import LoraSpec


def adapted(model: PreTrainedModel, spec: LoraSpec, *, seed: int) -> Any:
    """The model with changes of which `seed` draws the first: they add nothing yet, and they alone are trained."""
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError:
        raise HeadreuseError(
            "training.lora: the extra `peft` is not installed; pip install 'headreuse[peft]', or leave lora out"
        ) from None
    targets = spec.targets if isinstance(spec.targets, str) else list(spec.targets)
    # GPT-2's linear maps hold their weights the other way round.
    turned = any(type(module).__name__ == "Conv1D" for module in model.modules())
    config = LoraConfig(
        r=spec.rank,
        lora_alpha=spec.alpha,  # type: ignore[arg-type]
        target_modules=targets,
        fan_in_fan_out=turned,
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # peft asks Transformers by a name that this has renamed.
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        torch.random.default_generator.manual_seed(seed)
        try:
            return get_peft_model(model, config)
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise HeadreuseError(f"training.lora.targets: {targets} cannot be adapted ({reason})") from None


def merged(model: Any) -> PreTrainedModel:
    """The model itself, changes added to its weights."""
    merge = getattr(model, "merge_and_unload", None)
    whole = model if merge is None else merge()
    assert isinstance(whole, PreTrainedModel)
    return whole
