"""A study file to begin with: it runs as it is, and has every usual choice as a comment."""

from headreuse.errors import HeadreuseError
from headreuse.study.frozen import is_name

TEXT = """\
# Do two tasks use the same attention heads, and does that make one of them extrapolate?
#   headreuse check {name}.toml    what this study would cost, and whether anything is wrong with it
#   headreuse run {name}.toml      train, measure, analyse, report; stopped at any moment, it goes on from there
# For an editor that completes and checks this file: `headreuse schema > headreuse.schema.json`, and as its first line
# #:schema ./headreuse.schema.json
name = "{name}"
seeds = [0, 1, 2, 3]             # 4 is the least from which a relation can be told from chance; 6 and more do better
alphabet_size = 16               # letters of the string tasks
# grid_size = 4                  # nodes on a side of the mazes' grid
# tasks = ["my_tasks.py"]        # files of your own tasks, from this file's folder
# transfer = "transfer.csv"      # transfer that you measured yourself: run, step, transfer

[model]                          # what is trained; for models that exist see `series` below
n_layers = 2
n_heads = 4
d_model = 64
# d_mlp = 128                    # 4 × d_model where nothing is said
# position = "nope"              # how it knows positions: "rope" where nothing is said

[training]
steps = 2000
batch_size = 128
learning_rate = 4e-3
checkpoints = {{ every = 250 }}    # or {{ at = [500, 1000, 2000] }}, or {{ log_spaced = 10 }}
# curriculum = 0.3               # the share of the steps over which the longest examples grow
# weight_decay = 0.1
# bf16 = true                    # on a GPU
# report_to = ["tensorboard"]    # training curves there too; or "wandb"

[measures]
methods = ["mean_ablation", "banzhaf"]     # how much each head matters
n_examples = 128                 # of each task and length, for curves of accuracy
n_score_examples = 128           # of each task, for head scores
# ablation_by_length = true      # what main loses beyond its own length without the heads that it shares
# length_step = 4                # accuracy at every fourth length alone
# top_k = 4                      # heads in a task's top set

# The question that is tested, written down before the run; all else is exploratory.
# [primary]
# overlap = "cosine"
# method = "banzhaf"
# transfer = "gap"

[[groups]]
name = "capitalize_reverse"
main = {{ task = "capitalize_reverse", max_length = 8 }}      # `headreuse tasks` lists what there is
auxiliary = [{{ task = "capitalize", max_length = 16 }}, {{ task = "reverse", max_length = 16 }}]
# arms = ["joint", "each", "alone"]             # all auxiliaries, one at a time, none: each a group
# heads = ["all", "shared", "disjoint"]         # which heads a task may use, set instead of measured
# positions = ["rope", "nope"]                  # twins with other position schemes
# lengths = [[8, 16], [4, 16]]                  # main's and the auxiliaries' longest training lengths
# evaluate_to = 24                              # where curves of accuracy end
# training = {{ steps = 3000 }}                   # what is otherwise than above, for this group alone

# What no relation is expected of: an auxiliary that has nothing to do with main.
[[groups]]
name = "copy_control"
kind = "control"
main = {{ task = "copy", max_length = 8 }}
auxiliary = [{{ task = "reverse", max_length = 16 }}]
training = {{ steps = 1000, learning_rate = 2e-3, checkpoints = {{ every = 125 }} }}

# Checkpoints that exist, and prompts as text (see the README): such a group has, in the place of training,
# series = {{ folder = "out" }}         # or {{ hub = "owner/name" }}
"""


def template(name: str) -> str:
    """The text of a study file of that name."""
    if not is_name(name):
        raise HeadreuseError(f"{name!r} is no name; give letters, digits, _ and -, such as my_study")
    return TEXT.format(name=name)
