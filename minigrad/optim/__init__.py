"""Optimizers, and learning rate schedules in :mod:`minigrad.optim.lr_scheduler`."""

from . import lr_scheduler as lr_scheduler
from .adam import Adam as Adam
from .adam import AdamW as AdamW
from .adam_relatives import Adamax as Adamax
from .adam_relatives import NAdam as NAdam
from .adam_relatives import RAdam as RAdam
from .adaptive import Adadelta as Adadelta
from .adaptive import Adagrad as Adagrad
from .adaptive import RMSprop as RMSprop
from .lbfgs import LBFGS as LBFGS
from .optimizer import Optimizer as Optimizer
from .rprop import Rprop as Rprop
from .sgd import ASGD as ASGD
from .sgd import SGD as SGD
