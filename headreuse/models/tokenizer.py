"""A vocabulary as a Transformers tokenizer, so that any tool splits prompts into the tokens of the training."""

import re

from tokenizers import Regex, Tokenizer, decoders
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import PreTrainedTokenizerFast

from headreuse.prompts import BOS, EOS, PAD, Vocabulary


def build_tokenizer(vocabulary: Vocabulary) -> PreTrainedTokenizerFast:
    """A tokenizer that splits text into the vocabulary's tokens and adds none.

    It raises for text with any other character, since there is no token for unknown text.
    """
    tokens = vocabulary.tokens
    model = Tokenizer(WordLevel({token: index for index, token in enumerate(tokens)}))
    # Longer tokens come first, so that `[17]` is not split into characters; every other character is one token.
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
