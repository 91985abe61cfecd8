"""Optimizer updates, in place."""

from . import CHEAP_ELEMENTS, ELEMENTS, floats, kernel


def _adam(p, g, m, v, vmax, **_):
    return _updates_in_place(p, g, m, v, *(() if vmax is None else (vmax,))) and p.size >= ELEMENTS


def _sgd(p, g, buf, **_):
    return _updates_in_place(p, g, *(() if buf is None else (buf,))) and p.size >= CHEAP_ELEMENTS


def _adagrad(p, g, total, **_):
    return _updates_in_place(p, g, total) and p.size >= ELEMENTS


def _rmsprop(p, g, square, buf=None, mean=None, **_):
    return mean is None and _sgd(p, g, buf) and _updates_in_place(p, g, square)


def _updates_in_place(p, g, *states):
    """Flat loops write into p and the states, so their memory must be in order; the gradient is only read."""
    in_order = all(a.flags.c_contiguous and a.flags.writeable for a in (p, *states))
    return in_order and floats(p, g, *states) and all(a.shape == p.shape for a in (g, *states))


KERNELS = {
    "adagrad": kernel("optimizer:adagrad", _adagrad, in_place=True),
    "rmsprop": kernel("optimizer:rmsprop", _rmsprop, in_place=True),
    "adam": kernel("optimizer:adam", _adam, in_place=True),
    "sgd": kernel("optimizer:sgd", _sgd, in_place=True),
}
