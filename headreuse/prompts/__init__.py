"""How an example becomes token ids with roles: the door for tokens of another kind."""

from headreuse.prompts.encoder import Encoder, encoder, encoder_of, make_prompts
from headreuse.prompts.form import TextForm
from headreuse.prompts.rows import TextPrompts, parse_prompts, read_prompts
from headreuse.prompts.text import from_file, from_text
from headreuse.prompts.vocabulary import BOS, EOS, PAD, SPECIALS, Vocabulary

__all__ = [
    "BOS",
    "EOS",
    "PAD",
    "SPECIALS",
    "Encoder",
    "TextForm",
    "TextPrompts",
    "Vocabulary",
    "encoder",
    "encoder_of",
    "from_file",
    "from_text",
    "make_prompts",
    "parse_prompts",
    "read_prompts",
]
