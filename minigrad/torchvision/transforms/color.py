"""The colours of pictures: brightness, contrast, saturation, hue, and the mean and spread of each channel."""

import numpy as np

from ...errors import describe
from ...tensor import Tensor, wrap
from .geometry import checked, get_dimensions, is_picture, pillow, to_pil_image, to_tensor

GREY = (0.2989, 0.587, 0.114)  # how bright the eye finds red, green and blue (ITU-R BT.601)


def normalize(tensor, mean, std, inplace=False):
    """(x - mean) / std for each channel of a float tensor (..., C, H, W)."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"normalize: img should be Tensor Image. Got {describe(tensor)}; put ToTensor() in front of Normalize()")
    if not tensor.is_floating_point():
        raise TypeError(f"normalize: Input tensor should be a float tensor. Got {tensor.dtype}; convert with .float()")
    if tensor.ndim < 3:
        raise ValueError(f"normalize: Expected tensor to be a tensor image of size (..., C, H, W). Got {tuple(tensor.shape)}")
    mean, std = (wrap(np.atleast_1d(np.asarray(v, tensor.array.dtype))) for v in (mean, std))
    if bool((std == 0).any()):
        raise ValueError(f"normalize: std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero")
    x = tensor if inplace else tensor.clone()
    return x.sub_(mean[:, None, None]).div_(std[:, None, None])


def rgb_to_grayscale(img, num_output_channels=1):
    """The brightness of a picture in colours, in one channel or the same in three."""
    checked(img, "rgb_to_grayscale")
    if is_picture(img):
        grey = img.convert("L")
        return grey if num_output_channels == 1 else pillow().merge("RGB", [grey] * 3)
    if get_dimensions(img)[0] == 1:
        grey = img
    else:
        r, g, b = img.unbind(-3)
        grey = (GREY[0] * r + GREY[1] * g + GREY[2] * b).to(img.dtype).unsqueeze(-3)
    return grey.expand(*img.shape[:-3], num_output_channels, *img.shape[-2:]) if num_output_channels == 3 else grey


def _blend(a, b, ratio):
    bound = 1.0 if a.is_floating_point() else 255.0
    return (ratio * a + (1.0 - ratio) * b).clamp(0, bound).to(a.dtype)


def _enhanced(img, kind, factor):
    from PIL import ImageEnhance

    return getattr(ImageEnhance, kind)(img).enhance(factor)


def adjust_brightness(img, brightness_factor):
    """0 black, 1 the picture, 2 twice as bright."""
    if is_picture(img):
        return _enhanced(img, "Brightness", brightness_factor)
    return _blend(img, img * 0, brightness_factor)


def adjust_contrast(img, contrast_factor):
    """0 grey, 1 the picture."""
    if is_picture(img):
        return _enhanced(img, "Contrast", contrast_factor)
    grey = rgb_to_grayscale(img)
    grey = grey if grey.is_floating_point() else grey.float()
    return _blend(img, grey.mean((-3, -2, -1), keepdim=True), contrast_factor)


def adjust_saturation(img, saturation_factor):
    """0 black and white, 1 the picture."""
    if is_picture(img):
        return _enhanced(img, "Color", saturation_factor)
    return img if get_dimensions(img)[0] == 1 else _blend(img, rgb_to_grayscale(img), saturation_factor)


def adjust_hue(img, hue_factor):
    """All colours turned on the wheel by ``hue_factor``, in [-0.5, 0.5] of a whole turn."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"adjust_hue: hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    picture = img if is_picture(img) else None
    if picture is None:
        turned = to_tensor(adjust_hue(to_pil_image(img), hue_factor))
        return turned.to(img.dtype) if img.is_floating_point() else turned.mul(255).round().to(img.dtype)
    if picture.mode in ("L", "1", "I", "F"):
        return picture
    h, s, v = picture.convert("HSV").split()
    h = pillow().fromarray((np.asarray(h).astype(np.int64) + int(hue_factor * 255)).astype(np.uint8), "L")
    return pillow().merge("HSV", (h, s, v)).convert(picture.mode)
