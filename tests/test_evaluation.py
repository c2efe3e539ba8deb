"""Are outcomes what greedy generation and a slow loop give? Covers `evaluation.py`."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from headreuse.errors import HeadreuseError
from headreuse.evaluation import Slots, evaluate, outcomes, slot_logits, slots_of
from headreuse.records import Prompts, Role

EOS = 2
INPUT_LENGTH, ANSWER_LENGTH = 5, 4


def tiny_llama(seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=12,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=EOS,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config).eval()


def prompts_with_answers(inputs: np.ndarray, answers: list[list[int]]) -> Prompts:
    """Right-padded `inputs answer` rows, every answer token scored."""
    width = inputs.shape[1] + max(map(len, answers))
    tokens = np.zeros((len(inputs), width), dtype=int)
    scored = np.zeros_like(tokens, dtype=bool)
    for row, (start, answer) in enumerate(zip(inputs, answers, strict=True)):
        tokens[row, : len(start) + len(answer)] = [*start, *answer]
        scored[row, len(start) : len(start) + len(answer)] = True
    roles = np.where(scored, Role.ANSWER, np.where(np.arange(width) < inputs.shape[1], Role.INPUT, Role.PAD))
    return Prompts("made_up", tokens, tokens, roles, scored, np.full(len(inputs), 3))


def greedy(model: LlamaForCausalLM, start: np.ndarray, n_tokens: int) -> list[int]:
    """What the model itself generates: up to EOS or `n_tokens`."""
    ids = torch.as_tensor(start)[None]
    made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=n_tokens, do_sample=False)
    return made[0, ids.shape[1] :].tolist()


def test_exact_match_is_what_greedy_generation_says_prompt_by_prompt(generator):
    model = tiny_llama()
    inputs = generator.integers(3, 12, (40, INPUT_LENGTH))
    answers = [greedy(model, start, ANSWER_LENGTH) for start in inputs]
    assert {answer[-1] == EOS for answer in answers} == {True, False}
    for row in range(0, 40, 2):
        wrong = generator.integers(len(answers[row]))
        answers[row][wrong] = (answers[row][wrong] + 1) % 12
    found = evaluate(model, prompts_with_answers(inputs, answers), micro_batch=7).outcomes["exact_match"]
    expected = [greedy(model, start, len(answer)) == answer for start, answer in zip(inputs, answers, strict=True)]
    assert found.tolist() == expected
    assert sum(expected) == 20


def test_outcomes_by_hand():
    # Two slots with p = (1/4, 3/4) and (1/2, 1/2) for the tokens 0 and 1.
    logits = torch.log(torch.tensor([[[1.0, 3.0], [1.0, 1.0]]]))
    all_wrong_then_tie = Slots(
        torch.zeros(1, 2, dtype=torch.long), torch.tensor([[0, 0]]), torch.tensor([[True, True]])
    )
    found = outcomes(logits, all_wrong_then_tie)
    assert found["exact_match"].tolist() == [0.0]
    assert found["token_accuracy"].tolist() == [0.5]
    assert found["log_prob"].item() == pytest.approx(np.log(1 / 4) + np.log(1 / 2))
    assert found["logit_diff"].item() == pytest.approx(-np.log(3) / 2)
    one_right = Slots(torch.zeros(1, 2, dtype=torch.long), torch.tensor([[1, 0]]), torch.tensor([[True, False]]))
    found = outcomes(logits, one_right)
    assert found["exact_match"].tolist() == [1.0]
    assert found["token_accuracy"].tolist() == [1.0]
    assert found["log_prob"].item() == pytest.approx(np.log(3 / 4))
    assert found["logit_diff"].item() == pytest.approx(np.log(3))


def test_outcomes_equal_a_slow_loop_over_full_logits(generator):
    model = tiny_llama()
    inputs = generator.integers(3, 12, (6, INPUT_LENGTH))
    prompts = prompts_with_answers(inputs, [[3, 4], [5], [6, 7, 8, 2], [2], [3, 2], [9, 9, 2]])
    found = evaluate(model, prompts).outcomes
    for row in range(6):
        scored = np.flatnonzero(prompts.scored[row])
        single = torch.as_tensor(prompts.tokens[row : row + 1, : scored[-1] + 1])
        with torch.no_grad():
            log_probs = model(single).logits[0].log_softmax(-1)
        values = [log_probs[p - 1, prompts.tokens[row, p]].item() for p in scored]
        diffs = []
        for p, value in zip(scored, values, strict=True):
            others = log_probs[p - 1].clone()
            others[prompts.tokens[row, p]] = -torch.inf
            diffs.append(value - others.max().item())
        assert found["log_prob"][row] == pytest.approx(sum(values), abs=1e-5)
        assert found["logit_diff"][row] == pytest.approx(np.mean(diffs), abs=1e-5)
        assert found["token_accuracy"][row] == pytest.approx(np.mean(np.array(diffs) > 0))
        assert found["exact_match"][row] == float(min(diffs) > 0)


def test_slots_lie_one_before_the_scored_tokens(generator):
    prompts = prompts_with_answers(generator.integers(3, 12, (2, 3)), [[7, 8], [9]])
    slots = slots_of(prompts)
    assert slots.position.tolist() == [[2, 3], [2, 2]]
    assert slots.target.tolist() == [[7, 8], [9, 9]]
    assert slots.real.tolist() == [[True, True], [True, False]]
    assert slots.n_needed == 4


def test_logits_at_slots_leave_no_hook_after_an_exception():
    model = tiny_llama()
    with pytest.raises(IndexError):
        slot_logits(model, torch.tensor([[1, 999]]), torch.tensor([[0]]))
    assert not model.get_output_embeddings()._forward_pre_hooks


def test_train_mode_is_refused(planted_model, generator):
    model = tiny_llama().train()
    with pytest.raises(HeadreuseError, match=r"train mode.*call model\.eval\(\) first"):
        evaluate(model, planted_model.prompts("A", 4, generator))


def test_lengths_are_not_mixed(planted_model, generator):
    prompts = planted_model.prompts("A", 4, generator)
    prompts.lengths[0] = 2
    with pytest.raises(HeadreuseError, match=r"A: prompts of lengths \[1, 2\]; give one length at a time"):
        evaluate(planted_model.model, prompts)


def test_prompts_without_a_scored_token_are_refused(planted_model, generator):
    prompts = planted_model.prompts("A", 4, generator)
    prompts.scored[2] = False
    with pytest.raises(HeadreuseError, match="every prompt needs a scored token"):
        evaluate(planted_model.model, prompts)


@pytest.mark.parametrize("task", ["A", "B", "C"])
def test_the_planted_model_solves_its_tasks(task, planted_model, generator):
    assert evaluate(planted_model.model, planted_model.prompts(task, 32, generator)).accuracy == 1.0
