"""``torchvision.transforms``: pictures made ready for a network, and varied while it trains.

Everything takes Pillow's images and Tensors (..., C, H, W). Random numbers come from minigrad's default generator, drawn in
the order in which torchvision draws them.
"""

from . import functional as functional
from .fixed import CenterCrop as CenterCrop
from .fixed import Compose as Compose
from .fixed import ConvertImageDtype as ConvertImageDtype
from .fixed import Grayscale as Grayscale
from .fixed import Lambda as Lambda
from .fixed import Normalize as Normalize
from .fixed import Pad as Pad
from .fixed import PILToTensor as PILToTensor
from .fixed import Resize as Resize
from .fixed import ToPILImage as ToPILImage
from .fixed import ToTensor as ToTensor
from .geometry import InterpolationMode as InterpolationMode
from .randomly import ColorJitter as ColorJitter
from .randomly import RandomAffine as RandomAffine
from .randomly import RandomApply as RandomApply
from .randomly import RandomChoice as RandomChoice
from .randomly import RandomCrop as RandomCrop
from .randomly import RandomErasing as RandomErasing
from .randomly import RandomGrayscale as RandomGrayscale
from .randomly import RandomHorizontalFlip as RandomHorizontalFlip
from .randomly import RandomOrder as RandomOrder
from .randomly import RandomResizedCrop as RandomResizedCrop
from .randomly import RandomRotation as RandomRotation
from .randomly import RandomVerticalFlip as RandomVerticalFlip


def __getattr__(name):
    known = [n for n in globals() if n[:1].isupper()]
    raise AttributeError(f"minigrad has no torchvision.transforms.{name}; it has {', '.join(sorted(known))}")
