"""A vocabulary as a Transformers tokenizer, so that any tool reads a checkpoint's prompts the way it was trained."""

import re

from tokenizers import Regex, Tokenizer, decoders
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import PreTrainedTokenizerFast

from headreuse.prompts import BOS, EOS, PAD, Vocabulary


def build_tokenizer(vocabulary: Vocabulary) -> PreTrainedTokenizerFast:
    """Splits text into the vocabulary's tokens, each a character unless it is longer, and adds none of its own.

    Text that holds anything else is refused, since there is no token for what is unknown.
    """
    tokens = vocabulary.tokens
    model = Tokenizer(WordLevel({token: index for index, token in enumerate(tokens)}))
    long = sorted((token for token in tokens if len(token) > 1), key=len, reverse=True)
    model.pre_tokenizer = Split(Regex("|".join([*map(re.escape, long), "(?m:.)"])), behavior="isolated")
    model.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=model,
        pad_token=tokens[PAD],
        bos_token=tokens[BOS],
        eos_token=tokens[EOS],
        clean_up_tokenization_spaces=False,
    )


def vocabulary_of(tokenizer: PreTrainedTokenizerFast) -> Vocabulary:
    """The vocabulary that a tokenizer was built from."""
    ids = tokenizer.get_vocab()
    return Vocabulary(tuple(sorted(ids, key=ids.__getitem__)))
