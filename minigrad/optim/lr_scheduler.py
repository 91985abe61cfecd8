"""Learning rate schedules, under PyTorch's names."""

from .schedule import LRScheduler as LRScheduler
from .schedule_combined import ChainedScheduler as ChainedScheduler
from .schedule_combined import ReduceLROnPlateau as ReduceLROnPlateau
from .schedule_combined import SequentialLR as SequentialLR
from .schedule_cycles import CosineAnnealingWarmRestarts as CosineAnnealingWarmRestarts
from .schedule_cycles import CyclicLR as CyclicLR
from .schedule_cycles import OneCycleLR as OneCycleLR
from .schedule_decay import ConstantLR as ConstantLR
from .schedule_decay import CosineAnnealingLR as CosineAnnealingLR
from .schedule_decay import ExponentialLR as ExponentialLR
from .schedule_decay import LambdaLR as LambdaLR
from .schedule_decay import LinearLR as LinearLR
from .schedule_decay import MultiplicativeLR as MultiplicativeLR
from .schedule_decay import MultiStepLR as MultiStepLR
from .schedule_decay import PolynomialLR as PolynomialLR
from .schedule_decay import StepLR as StepLR


class _LRScheduler(LRScheduler):
    """PyTorch's old name of the base: what is derived from it works as from the new one."""
