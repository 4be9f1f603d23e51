"""The training loop: `fit`, its data, callbacks, history and checkpoints."""

from graphc.training.callbacks import EarlyStopping, Epoch
from graphc.training.checkpoint import load, save
from graphc.training.fit import fit
from graphc.training.history import History

__all__ = ["EarlyStopping", "Epoch", "History", "fit", "load", "save"]
