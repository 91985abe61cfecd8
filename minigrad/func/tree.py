"""Nested containers of tensors: what a transform takes and returns, taken apart and put together again.

A leaf is whatever is no tuple, list or dict; named tuples and ordered dicts keep their class.
"""

from collections import OrderedDict, defaultdict

_DICTS = (dict, OrderedDict, defaultdict)


def _is_container(value):
    return isinstance(value, tuple | list) or type(value) in _DICTS


def children(value):
    """The members of a container, in order."""
    return list(value.values()) if isinstance(value, dict) else list(value)


def rebuild(like, members):
    """A container such as ``like`` with other members."""
    if isinstance(like, dict):
        pairs = zip(like, members)
        return defaultdict(like.default_factory, pairs) if isinstance(like, defaultdict) else type(like)(pairs)
    return type(like)(*members) if hasattr(like, "_fields") else type(like)(members)


def leaves(value):
    """All leaves, from left to right."""
    if not _is_container(value):
        return [value]
    return [leaf for child in children(value) for leaf in leaves(child)]


def unflatten(like, values):
    """A tree such as ``like`` whose leaves are ``values``."""
    values = iter(values)

    def fill(node):
        return rebuild(node, [fill(c) for c in children(node)]) if _is_container(node) else next(values)

    return fill(like)


def tree_map(function, value):
    """``function`` of every leaf."""
    return unflatten(value, [function(leaf) for leaf in leaves(value)])


def broadcast_prefix(prefix, value):
    """A leaf of ``prefix`` for every leaf of ``value``, or None where the two do not fit.

    A leaf of the prefix stands for everything below it, as 0 in ``in_dims=(0, None)`` for a whole dict of parameters.
    """
    if not _is_container(prefix):
        return [prefix] * len(leaves(value))
    if not _is_container(value) or isinstance(prefix, dict) != isinstance(value, dict):
        return None
    if isinstance(prefix, dict):
        if prefix.keys() != value.keys():
            return None
        pairs = [(prefix[k], value[k]) for k in value]
    else:
        if len(prefix) != len(value) or isinstance(prefix, list) != isinstance(value, list):
            return None
        pairs = list(zip(prefix, value))
    parts = [broadcast_prefix(p, v) for p, v in pairs]
    return None if any(p is None for p in parts) else [leaf for part in parts for leaf in part]
