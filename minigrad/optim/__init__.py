"""Optimizers, learning rate schedules in :mod:`minigrad.optim.lr_scheduler`, averages in :mod:`minigrad.optim.swa_utils`."""

from . import lr_scheduler as lr_scheduler
from . import swa_utils as swa_utils
from .adafactor import Adafactor as Adafactor
from .adam import Adam as Adam
from .adam import AdamW as AdamW
from .adam_relatives import Adamax as Adamax
from .adam_relatives import NAdam as NAdam
from .adam_relatives import RAdam as RAdam
from .adaptive import Adadelta as Adadelta
from .adaptive import Adagrad as Adagrad
from .adaptive import RMSprop as RMSprop
from .lbfgs import LBFGS as LBFGS
from .muon import Muon as Muon
from .optimizer import Optimizer as Optimizer
from .rprop import Rprop as Rprop
from .sgd import ASGD as ASGD
from .sgd import SGD as SGD
from .sparse_adam import SparseAdam as SparseAdam
