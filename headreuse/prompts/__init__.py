"""How an example becomes token ids with roles: the door for tokens of another kind."""

from headreuse.prompts.encoder import Encoder, encoder, encoder_of, make_prompts
from headreuse.prompts.vocabulary import BOS, EOS, PAD, SPECIALS, Vocabulary

__all__ = ["BOS", "EOS", "PAD", "SPECIALS", "Encoder", "Vocabulary", "encoder", "encoder_of", "make_prompts"]
