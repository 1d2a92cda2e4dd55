"""What is set of LightGBM."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BoostingParameters:
    """See LightGBM's documentation for the words in brackets.

    Attributes:
        trees: boosting rounds (num_iterations).
        learning_rate: shrinkage of each tree.
        leaves: of each tree (num_leaves).
        min_rows_per_leaf: min_data_in_leaf.
        bins: max_bin.
        feature_share: share of the features that each tree may use (feature_fraction).
        threads: num_threads, 0 for all cores.
        seed: of what is drawn.
    """

    trees: int = 60
    learning_rate: float = 0.08
    leaves: int = 15
    min_rows_per_leaf: int = 200
    bins: int = 63
    feature_share: float = 0.5
    threads: int = 0
    seed: int = 1
