"""Transforms that draw what they do."""

import math

import numpy as np

from ...ops.random import rand, randint
from ...tensor import wrap
from . import functional as F
from .fixed import Compose, Transform
from .geometry import InterpolationMode, pair


def uniform(low, high):
    """One number between two, drawn as ``torch.empty(1).uniform_`` draws it."""
    return float(wrap(np.empty(1, np.float32)).uniform_(low, high))


def whole(low, high):
    """One whole number in [low, high)."""
    return randint(low, high, (1,)).item()


class _Chance(Transform):
    """Something that is done with probability ``p``."""

    settings = ("p",)

    def __init__(self, p=0.5):
        self.p = p

    def forward(self, img):
        return self.done(img) if rand(1).item() < self.p else img


class RandomHorizontalFlip(_Chance):
    """Left and right exchanged, with probability ``p``."""

    done = staticmethod(F.hflip)


class RandomVerticalFlip(_Chance):
    """Top and bottom exchanged, with probability ``p``."""

    done = staticmethod(F.vflip)


class RandomGrayscale(_Chance):
    """Without colours, with probability ``p``."""

    def __init__(self, p=0.1):
        super().__init__(p)

    @staticmethod
    def done(img):
        return F.rgb_to_grayscale(img, F.get_dimensions(img)[0])


class RandomCrop(Transform):
    """A part of the picture at a random place, after padding."""

    settings = ("size", "padding")

    def __init__(self, size, padding=None, pad_if_needed=False, fill=0, padding_mode="constant"):
        self.size, self.padding, self.pad_if_needed = pair(size), padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    @staticmethod
    def get_params(img, output_size):
        """(top, left, height, width) of a part."""
        _, h, w = F.get_dimensions(img)
        th, tw = output_size
        if h < th or w < tw:
            raise ValueError(f"RandomCrop: Required crop size {(th, tw)} is larger than input image size {(h, w)}")
        if w == tw and h == th:
            return 0, 0, h, w
        return whole(0, h - th + 1), whole(0, w - tw + 1), th, tw

    def forward(self, img):
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, h, w = F.get_dimensions(img)
        if self.pad_if_needed and w < self.size[1]:
            img = F.pad(img, [self.size[1] - w, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and h < self.size[0]:
            img = F.pad(img, [0, self.size[0] - h], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))


class RandomResizedCrop(Transform):
    """A part of random area and proportions, brought to one size."""

    settings = ("size", "scale", "ratio", "interpolation", "antialias")

    def __init__(
        self, size, scale=(0.08, 1.0), ratio=(3.0 / 4.0, 4.0 / 3.0), interpolation=InterpolationMode.BILINEAR, antialias=True
    ):
        self.size, self.scale, self.ratio = pair(size), scale, ratio
        self.interpolation, self.antialias = interpolation, antialias

    @staticmethod
    def get_params(img, scale, ratio):
        """(top, left, height, width) of a part; after ten parts that do not fit, the middle."""
        _, height, width = F.get_dimensions(img)
        area, logs = height * width, np.log(np.asarray(ratio, np.float32))
        for _ in range(10):
            target = area * uniform(*scale)
            aspect = float(np.exp(np.float32(uniform(*map(float, logs)))))
            w, h = round(math.sqrt(target * aspect)), round(math.sqrt(target / aspect))
            if 0 < w <= width and 0 < h <= height:
                return whole(0, height - h + 1), whole(0, width - w + 1), h, w
        if width / height < min(ratio):
            w, h = width, round(width / min(ratio))
        elif width / height > max(ratio):
            w, h = round(height * max(ratio)), height
        else:
            w, h = width, height
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img):
        part = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *part, self.size, self.interpolation, self.antialias)


class RandomRotation(Transform):
    """Turned by an angle between two, in degrees."""

    settings = ("degrees", "interpolation", "expand", "fill")

    def __init__(self, degrees, interpolation=InterpolationMode.NEAREST, expand=False, center=None, fill=0):
        self.degrees = [-float(degrees), float(degrees)] if isinstance(degrees, int | float) else [float(d) for d in degrees]
        self.interpolation, self.expand, self.center, self.fill = interpolation, expand, center, fill

    def forward(self, img):
        angle = uniform(*self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)


class RandomAffine(Transform):
    """Turned, moved by a share of the size, scaled and sheared at random."""

    settings = ("degrees", "translate", "scale", "shear")

    def __init__(
        self, degrees, translate=None, scale=None, shear=None, interpolation=InterpolationMode.NEAREST, fill=0, center=None
    ):
        self.degrees = [-float(degrees), float(degrees)] if isinstance(degrees, int | float) else [float(d) for d in degrees]
        self.shear = [-float(shear), float(shear)] if isinstance(shear, int | float) else shear
        self.translate, self.scale = translate, scale
        self.interpolation, self.fill, self.center = interpolation, fill, center

    def forward(self, img):
        _, h, w = F.get_dimensions(img)
        angle, moved, scale, shear = uniform(*self.degrees), (0, 0), 1.0, (0.0, 0.0)
        if self.translate is not None:
            most = self.translate[0] * w, self.translate[1] * h
            moved = tuple(round(uniform(-m, m)) for m in map(float, most))
        if self.scale is not None:
            scale = uniform(*self.scale)
        if self.shear is not None:
            first = uniform(*self.shear[:2])
            shear = (first, uniform(*self.shear[2:]) if len(self.shear) == 4 else 0.0)
        return F.affine(img, angle, moved, scale, shear, self.interpolation, self.fill, self.center)


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed at random, in a random order.

    Each setting is a number (factors in [1 - x, 1 + x], for the hue [-x, x]) or the two bounds.
    """

    settings = ("brightness", "contrast", "saturation", "hue")

    def __init__(self, brightness=0, contrast=0, saturation=0, hue=0):
        self.brightness, self.contrast, self.saturation = (self._bounds(v) for v in (brightness, contrast, saturation))
        self.hue = self._bounds(hue, 0.0)

    @staticmethod
    def _bounds(value, middle=1.0):
        if isinstance(value, int | float):
            if value < 0:
                raise ValueError(f"ColorJitter: a single number must be non negative, got {value}")
            low = max(middle - value, 0.0) if middle else -value
            value = (low, middle + value)
        return None if value[0] == value[1] == middle else tuple(map(float, value))

    def forward(self, img):
        from ...ops.random import randperm

        order = randperm(4).tolist()
        bounds = (self.brightness, self.contrast, self.saturation, self.hue)
        factors = [None if b is None else uniform(*b) for b in bounds]
        change = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in order:
            if factors[i] is not None:
                img = change[i](img, factors[i])
        return img


class RandomErasing(Transform):
    """With probability ``p`` a rectangle of a tensor (C, H, W) is filled with ``value``, or with noise ("random")."""

    settings = ("p", "scale", "ratio", "value", "inplace")

    def __init__(self, p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, inplace=False):
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    def forward(self, img):
        if rand(1).item() >= self.p:
            return img
        c, height, width = img.shape[-3:]
        logs = np.log(np.asarray(self.ratio, np.float32))
        for _ in range(10):
            area = height * width * uniform(*self.scale)
            aspect = float(np.exp(np.float32(uniform(*map(float, logs)))))
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if h < height and w < width:
                return self._erased(img, c, h, w)
        return img

    def _erased(self, img, c, h, w):
        values = self.value if isinstance(self.value, tuple | list) else (self.value,)
        fill = img.new_empty((c, h, w)).normal_() if self.value == "random" else img.new_tensor(values)[:, None, None]
        top, left = whole(0, img.shape[-2] - h + 1), whole(0, img.shape[-1] - w + 1)
        out = img if self.inplace else img.clone()
        out[..., top : top + h, left : left + w] = fill
        return out


class RandomApply(Transform):
    """Several transforms, all or none, with probability ``p``."""

    def __init__(self, transforms, p=0.5):
        self.transforms, self.p = transforms, p

    def forward(self, img):
        if self.p < rand(1).item():
            return img
        return Compose(self.transforms)(img)


class RandomOrder(Compose):
    """Transforms in an order that Python's ``random`` shuffles."""

    def __call__(self, img):
        import random

        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for i in order:
            img = self.transforms[i](img)
        return img


class RandomChoice(Compose):
    """One of several transforms, chosen by Python's ``random``, with weights ``p``."""

    def __init__(self, transforms, p=None):
        super().__init__(transforms)
        self.p = p

    def __call__(self, img):
        import random

        return random.choices(self.transforms, weights=self.p)[0](img)
