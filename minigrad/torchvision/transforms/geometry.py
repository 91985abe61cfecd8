"""``torchvision.transforms.functional``: one function for each transform, for Tensors (..., C, H, W) and for Pillow's images."""

import enum
import math

import numpy as np

from ...errors import describe, missing_extra
from ...nn import functional as F
from ...tensor import Tensor, wrap


class InterpolationMode(enum.Enum):
    """How pixels are found between pixels."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


def pillow():
    """Pillow's module Image."""
    try:
        from PIL import Image
    except ImportError:
        raise missing_extra("pillow", "vision", "reading and changing pictures") from None
    return Image


def is_picture(x):
    """Whether ``x`` is an image of Pillow, told without importing Pillow."""
    return type(x).__module__.startswith("PIL.")


def checked(x, name):
    if isinstance(x, Tensor) or is_picture(x):
        return x
    raise TypeError(f"{name}: img should be PIL Image or Tensor. Got {describe(x)}; convert an array with ToPILImage()")


def _filter(mode):
    names = {"nearest": "NEAREST", "nearest-exact": "NEAREST"}
    mode = mode.value if isinstance(mode, InterpolationMode) else mode
    return getattr(pillow().Resampling, names.get(mode, mode.upper()))


def _color(fill, img):
    """One number for each channel of a picture."""
    channels = len(img.getbands())
    if isinstance(fill, int | float):
        return (fill,) * channels if channels > 1 else fill
    return tuple(fill)


# ----------------------------------------------------------------------------------------------------------- conversion
def to_tensor(pic):
    """A picture or an array (H, W, C) as a float tensor (C, H, W) in [0, 1]; other dtypes than uint8 keep their numbers."""
    if not (is_picture(pic) or isinstance(pic, np.ndarray)):
        raise TypeError(f"to_tensor: pic should be PIL Image or ndarray. Got {describe(pic)}")
    array = _array(pic)
    array = array[:, :, None] if array.ndim == 2 else array
    t = wrap(np.ascontiguousarray(array.transpose(2, 0, 1)))
    return t.float().div(255) if array.dtype == np.uint8 else t


def _array(picture):
    if not is_picture(picture):
        return picture
    if picture.mode == "1":
        return np.asarray(picture, np.uint8) * 255
    kinds = {"I": np.int32, "F": np.float32}
    kind = np.uint16 if picture.mode.startswith("I;16") else kinds.get(picture.mode, np.uint8)
    array = np.asarray(picture, kind)
    return array.astype(np.int32) if kind is np.uint16 else array


def pil_to_tensor(pic):
    """A picture as a tensor (C, H, W) of the same numbers."""
    if not is_picture(pic):
        raise TypeError(f"pil_to_tensor: pic should be PIL Image. Got {describe(pic)}")
    array = np.array(pic)
    array = array[:, :, None] if array.ndim == 2 else array
    return wrap(np.ascontiguousarray(array.transpose(2, 0, 1)))


def to_pil_image(pic, mode=None):
    """A tensor (C, H, W) or array (H, W, C) as a picture; floats count from 0 to 1."""
    if isinstance(pic, Tensor):
        array = pic.detach().cpu()
        array = (array.mul(255).byte() if array.is_floating_point() and mode != "F" else array).numpy()
        array = array[None] if array.ndim == 2 else array
        if array.ndim != 3:
            raise ValueError(f"to_pil_image: pic should be 2/3 dimensional. Got {array.ndim} dimensions")
        array = array.transpose(1, 2, 0)
    elif isinstance(pic, np.ndarray):
        array = pic[:, :, None] if pic.ndim == 2 else pic
    else:
        raise TypeError(f"to_pil_image: pic should be Tensor or ndarray. Got {describe(pic)}")
    if array.shape[2] > 4:
        raise ValueError(f"to_pil_image: pic should not have > 4 channels. Got {array.shape[2]} channels")
    return pillow().fromarray(np.ascontiguousarray(array[:, :, 0] if array.shape[2] == 1 else array), mode)


def convert_image_dtype(image, dtype):
    """The same picture in another dtype: floats count from 0 to 1, integers up to their largest."""
    if image.is_floating_point() == dtype.is_floating_point:
        return image.to(dtype)
    if dtype.is_floating_point:
        return image.to(dtype).div(np.iinfo(image.array.dtype).max)
    return image.mul(np.iinfo(dtype.dtype).max + 1.0 - 1e-3).to(dtype)


# ------------------------------------------------------------------------------------------------------------- geometry
def get_dimensions(img):
    """[channels, height, width]."""
    if is_picture(img):
        return [len(img.getbands()), img.height, img.width]
    return [1 if img.ndim == 2 else img.shape[-3], *img.shape[-2:]]


def get_image_size(img):
    """[width, height]."""
    return get_dimensions(img)[:0:-1]


def resize(img, size, interpolation=InterpolationMode.BILINEAR, max_size=None, antialias=True):
    """``size``: (height, width), or one number for the shorter side, which keeps the proportions."""
    checked(img, "resize")
    _, h, w = get_dimensions(img)
    if isinstance(size, int) or len(size) == 1:
        short = size if isinstance(size, int) else size[0]
        new = (short, int(short * w / h)) if h <= w else (int(short * h / w), short)
        if max_size is not None and max(new) > max_size:
            new = tuple(int(n * max_size / max(new)) if n != max(new) else max_size for n in new)
    else:
        new = tuple(size)
    if new == (h, w):
        return img
    if is_picture(img):
        return img.resize(new[::-1], _filter(interpolation))
    mode = interpolation.value if isinstance(interpolation, InterpolationMode) else interpolation
    smooth = mode in ("bilinear", "bicubic")
    x = img if img.is_floating_point() else img.float()
    x = x.reshape(-1, *x.shape[-3:]) if x.ndim != 4 else x
    options = {"align_corners": False, "antialias": bool(antialias)} if smooth else {}
    out = F.interpolate(x, size=new, mode=mode, **options).reshape(*img.shape[:-2], *new)
    return out if img.is_floating_point() else out.round().clamp(0, np.iinfo(img.array.dtype).max).to(img.dtype)


def crop(img, top, left, height, width):
    """The part from row ``top`` and column ``left`` on; outside of the picture it is 0."""
    checked(img, "crop")
    if is_picture(img):
        return img.crop((left, top, left + width, top + height))
    _, h, w = get_dimensions(img)
    inside = img[..., max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    edges = [max(-left, 0), max(left + width - w, 0), max(-top, 0), max(top + height - h, 0)]
    return F.pad(inside, edges) if any(edges) else inside


def center_crop(img, output_size):
    """The middle of the picture; a smaller picture gets a black frame."""
    th, tw = pair(output_size)
    _, h, w = get_dimensions(img)
    if tw > w or th > h:
        edges = [(tw - w) // 2 if tw > w else 0, (th - h) // 2 if th > h else 0]
        edges += [(tw - w + 1) // 2 if tw > w else 0, (th - h + 1) // 2 if th > h else 0]
        img = pad(img, edges)
        _, h, w = get_dimensions(img)
    return crop(img, round((h - th) / 2.0), round((w - tw) / 2.0), th, tw)


def resized_crop(img, top, left, height, width, size, interpolation=InterpolationMode.BILINEAR, antialias=True):
    """A part, brought to ``size``."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def pad(img, padding, fill=0, padding_mode="constant"):
    """``padding``: one number, (left and right, top and bottom), or (left, top, right, bottom)."""
    checked(img, "pad")
    p = [padding] if isinstance(padding, int) else list(padding)
    left, top, right, bottom = p * 4 if len(p) == 1 else p * 2 if len(p) == 2 else p
    if is_picture(img):
        array = np.asarray(img)
        widths = [(top, bottom), (left, right)] + [(0, 0)] * (array.ndim - 2)
        modes = {"constant": "constant", "edge": "edge", "reflect": "reflect", "symmetric": "symmetric"}
        if padding_mode != "constant":
            return pillow().fromarray(np.pad(array, widths, modes[padding_mode]))
        from PIL import ImageOps

        return ImageOps.expand(img, (left, top, right, bottom), _color(fill, img))
    if padding_mode == "symmetric":
        rows, columns = (np.pad(np.arange(n), w, "symmetric") for n, w in zip(img.shape[-2:], ((top, bottom), (left, right))))
        return img[..., wrap(rows)[:, None], wrap(columns)]
    mode = {"edge": "replicate"}.get(padding_mode, padding_mode)
    if mode == "constant":
        return F.pad(img, [left, right, top, bottom], value=fill)
    x = img.reshape(-1, *img.shape[-3:])
    x = x if x.is_floating_point() else x.float()
    return (
        F.pad(x, [left, right, top, bottom], mode=mode).reshape(*img.shape[:-2], -1, img.shape[-1] + left + right).to(img.dtype)
    )


def hflip(img):
    """Left and right exchanged."""
    return img.transpose(pillow().Transpose.FLIP_LEFT_RIGHT) if is_picture(img) else img.flip(-1)


def vflip(img):
    """Top and bottom exchanged."""
    return img.transpose(pillow().Transpose.FLIP_TOP_BOTTOM) if is_picture(img) else img.flip(-2)


def rotate(img, angle, interpolation=InterpolationMode.NEAREST, expand=False, center=None, fill=0):
    """Turned against the clock by ``angle`` degrees about the middle."""
    checked(img, "rotate")
    if is_picture(img):
        return img.rotate(angle, _filter(interpolation), expand, center, fillcolor=_color(fill, img))
    if expand or center is not None:
        raise ValueError("rotate: tensors are turned about the middle and keep their size; convert with ToPILImage() first")
    turn = math.radians(angle)
    return _affine(img, [math.cos(turn), -math.sin(turn), 0.0, math.sin(turn), math.cos(turn), 0.0], interpolation, fill)


def affine(img, angle, translate, scale, shear, interpolation=InterpolationMode.NEAREST, fill=0, center=None):
    """Turned, moved by ``translate`` pixels, scaled and sheared (degrees), about the middle."""
    checked(img, "affine")
    _, h, w = get_dimensions(img)
    middle = [w * 0.5, h * 0.5] if center is None else list(center)
    matrix = inverse_affine_matrix(middle, angle, translate, scale, shear)
    if is_picture(img):
        mode = pillow().Transform.AFFINE
        return img.transform((w, h), mode, matrix, _filter(interpolation), fillcolor=_color(fill, img))
    shifted = inverse_affine_matrix([0.0, 0.0], angle, translate, scale, shear)
    return _affine(img, shifted, interpolation, fill)


def inverse_affine_matrix(center, angle, translate, scale, shear):
    """The six numbers that lead from a place in the result to its place in the picture.

    The picture is sheared, turned, scaled and moved: RSS = R(angle) Shear(x, y), M = T C RSS C^-1, and this is M^-1.
    """
    sx, sy = (math.radians(s) for s in (shear if isinstance(shear, list | tuple) else (shear, 0.0)))
    rot = math.radians(angle)
    a = math.cos(rot - sy) / math.cos(sy)
    b = -math.cos(rot - sy) * math.tan(sx) / math.cos(sy) - math.sin(rot)
    c = math.sin(rot - sy) / math.cos(sy)
    d = -math.sin(rot - sy) * math.tan(sx) / math.cos(sy) + math.cos(rot)
    m = [d / scale, -b / scale, 0.0, -c / scale, a / scale, 0.0]
    (cx, cy), (tx, ty) = center, translate
    m[2] += m[0] * (-cx - tx) + m[1] * (-cy - ty) + cx
    m[5] += m[3] * (-cx - tx) + m[4] * (-cy - ty) + cy
    return m


def _affine(img, matrix, interpolation, fill):
    """A tensor sampled at the places that ``matrix`` (pixels from the middle) leads to."""
    _, h, w = get_dimensions(img)
    x = np.arange(w) - (w - 1) / 2
    y = np.arange(h)[:, None] - (h - 1) / 2
    a, b, c, d, e, f = matrix
    grid = np.stack([(a * x + b * y + c) / (0.5 * w), (d * x + e * y + f) / (0.5 * h)], -1)  # (H, W, 2)
    batch = img.reshape(-1, *img.shape[-3:])
    batch = batch if batch.is_floating_point() else batch.float()
    mode = interpolation.value if isinstance(interpolation, InterpolationMode) else interpolation
    where = wrap(np.broadcast_to(grid, (len(batch), h, w, 2)).astype(batch.array.dtype))
    out = F.grid_sample(batch, where, mode=mode, padding_mode="zeros", align_corners=False)
    if fill:
        inside = F.grid_sample(batch * 0 + 1, where, mode=mode, padding_mode="zeros", align_corners=False)
        out = out + (1 - inside) * fill
    out = out.reshape(img.shape)
    return out if img.is_floating_point() else out.round().to(img.dtype)


def pair(size):
    """(height, width) of one number, or of one or two in a list."""
    if isinstance(size, int):
        return size, size
    return (size[0], size[0]) if len(size) == 1 else tuple(size)
