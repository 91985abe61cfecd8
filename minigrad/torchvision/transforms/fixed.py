"""Transforms that do the same every time."""

from . import functional as F
from .geometry import InterpolationMode


class Compose:
    """Transforms one after the other."""

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, img):
        for t in self.transforms:
            img = t(img)
        return img

    def __repr__(self):
        return "\n".join([f"{type(self).__name__}(", *(f"    {t}" for t in self.transforms), ")"])


class Transform:
    """A transform with settings: ``forward(img)`` does the work, ``settings`` names what ``repr`` shows."""

    settings = ()

    def __call__(self, *args):
        return self.forward(*args)

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{n}={self._shown(getattr(self, n))}' for n in self.settings)})"

    @staticmethod
    def _shown(value):
        return value.value if isinstance(value, InterpolationMode) else value


class ToTensor(Transform):
    """A picture or an array (H, W, C) of uint8 as float32 (C, H, W) in [0, 1]."""

    def forward(self, pic):
        return F.to_tensor(pic)


class PILToTensor(Transform):
    """A picture as a tensor (C, H, W) of the same numbers."""

    def forward(self, pic):
        return F.pil_to_tensor(pic)


class ToPILImage(Transform):
    """A tensor (C, H, W) or an array (H, W, C) as a picture of Pillow."""

    settings = ("mode",)

    def __init__(self, mode=None):
        self.mode = mode

    def forward(self, pic):
        return F.to_pil_image(pic, self.mode)

    def __repr__(self):
        return f"ToPILImage({'' if self.mode is None else f'mode={self.mode}'})"


class ConvertImageDtype(Transform):
    """Another dtype, with the numbers scaled to its range."""

    def __init__(self, dtype):
        self.dtype = dtype

    def forward(self, image):
        return F.convert_image_dtype(image, self.dtype)


class Normalize(Transform):
    """(x - mean) / std for each channel of a float tensor."""

    settings = ("mean", "std")

    def __init__(self, mean, std, inplace=False):
        self.mean, self.std, self.inplace = mean, std, inplace

    def forward(self, tensor):
        return F.normalize(tensor, self.mean, self.std, self.inplace)


class Resize(Transform):
    """To (height, width), or the shorter side to one number."""

    settings = ("size", "interpolation", "max_size", "antialias")

    def __init__(self, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True):
        self.size, self.interpolation, self.max_size, self.antialias = size, interpolation, max_size, antialias

    def forward(self, img):
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(Transform):
    """The middle of a picture."""

    settings = ("size",)

    def __init__(self, size):
        self.size = (size, size) if isinstance(size, int) else tuple(size) * (2 if len(size) == 1 else 1)

    def forward(self, img):
        return F.center_crop(img, self.size)


class Pad(Transform):
    """A frame around a picture."""

    settings = ("padding", "fill", "padding_mode")

    def __init__(self, padding, fill=0, padding_mode="constant"):
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def forward(self, img):
        return F.pad(img, self.padding, self.fill, self.padding_mode)


class Grayscale(Transform):
    """Without colours, in one channel or in three that are equal."""

    settings = ("num_output_channels",)

    def __init__(self, num_output_channels=1):
        self.num_output_channels = num_output_channels

    def forward(self, img):
        return F.rgb_to_grayscale(img, self.num_output_channels)


class Lambda(Transform):
    """Any function of a picture."""

    def __init__(self, lambd):
        if not callable(lambd):
            raise TypeError(f"Lambda: Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def forward(self, img):
        return self.lambd(img)
