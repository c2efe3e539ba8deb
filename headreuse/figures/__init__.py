"""Plotly figures of a study's tables: frames in, `Figure` out; nothing is shown or saved here.

Each function takes rows of the run folder's tables, of one group unless it says otherwise. A figure that has several
views (by seed, outcome, checkpoint) holds them beside the one it shows; `with_slider` steps through them in a notebook.
"""

from headreuse.figures.ablation import ablation_maps
from headreuse.figures.ablation_by_length import PairOfTasks, ablation_by_length
from headreuse.figures.accuracy import accuracy_curves
from headreuse.figures.arms import arms_by_seed
from headreuse.figures.bands import seed_bands
from headreuse.figures.clocks import learning_clocks
from headreuse.figures.correlation import overlap_against_transfer, overlap_points
from headreuse.figures.forest import forest
from headreuse.figures.matrices import overlap_matrices
from headreuse.figures.overview import overview
from headreuse.figures.patterns import HeadOfInterest, RunPattern, attention_patterns, heads_that_matter
from headreuse.figures.seeds import seed_colours
from headreuse.figures.specificity import functional_specificity
from headreuse.figures.steps import StepAxis, step_axis
from headreuse.figures.style import escaped, task_colours
from headreuse.figures.synergy import synergy_maps
from headreuse.figures.training_log import training_log
from headreuse.figures.trajectories import Beside, gap_of, overlap_over_steps, regimes
from headreuse.figures.views import with_slider

__all__ = [
    "Beside",
    "HeadOfInterest",
    "PairOfTasks",
    "RunPattern",
    "StepAxis",
    "ablation_by_length",
    "ablation_maps",
    "accuracy_curves",
    "arms_by_seed",
    "attention_patterns",
    "escaped",
    "forest",
    "functional_specificity",
    "gap_of",
    "heads_that_matter",
    "learning_clocks",
    "overlap_against_transfer",
    "overlap_matrices",
    "overlap_over_steps",
    "overlap_points",
    "overview",
    "regimes",
    "seed_bands",
    "seed_colours",
    "step_axis",
    "synergy_maps",
    "task_colours",
    "training_log",
    "with_slider",
]
