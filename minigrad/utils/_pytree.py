"""``torch.utils._pytree``: nested lists, tuples and dicts as a flat list of leaves and a description of the nesting."""

from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from typing import Any

_registered = {}  # container type -> (flatten: value -> (children, context), unflatten: (children, context) -> value)


@dataclass(frozen=True)
class TreeSpec:
    """The nesting without the leaves."""

    type: Any
    context: Any
    children_specs: list = field(default_factory=list)

    @property
    def num_leaves(self):
        return 1 if self.type is None else sum(c.num_leaves for c in self.children_specs)

    @property
    def num_children(self):
        return len(self.children_specs)

    def is_leaf(self):
        return self.type is None

    def unflatten(self, leaves):
        return tree_unflatten(leaves, self)

    def __repr__(self):
        if self.type is None:
            return "*"
        return f"TreeSpec({self.type.__name__}, {self.context}, {self.children_specs})"


PyTreeSpec = TreeSpec
_LEAF = TreeSpec(None, None)


def LeafSpec():
    return _LEAF


def register_pytree_node(cls, flatten_fn, unflatten_fn, **_):
    """Let values of type ``cls`` be taken apart: ``flatten_fn(value) -> (children, context)`` and back."""
    if cls in _registered:
        raise ValueError(f"{cls} is already registered as pytree node.")
    _registered[cls] = (flatten_fn, unflatten_fn)


_register_pytree_node = register_pytree_node


def _dict(make):
    return lambda d: (list(d.values()), list(d)), lambda children, keys: make(zip(keys, children))


_registered.update(
    {
        list: (lambda v: (v, None), lambda children, _: list(children)),
        tuple: (lambda v: (list(v), None), lambda children, _: tuple(children)),
        dict: _dict(dict),
        OrderedDict: _dict(OrderedDict),
        defaultdict: (
            lambda d: (list(d.values()), [d.default_factory, list(d)]),
            lambda children, context: defaultdict(context[0], zip(context[1], children)),
        ),
        deque: (lambda v: (list(v), v.maxlen), lambda children, n: deque(children, maxlen=n)),
        namedtuple: (lambda v: (list(v), type(v)), lambda children, kind: kind(*children)),
    }
)


def is_namedtuple_class(cls):
    return isinstance(cls, type) and issubclass(cls, tuple) and hasattr(cls, "_fields")


def is_namedtuple_instance(obj):
    return is_namedtuple_class(type(obj))


is_namedtuple = is_namedtuple_instance


def _kind(value):
    if type(value) in _registered:
        return type(value)
    return namedtuple if is_namedtuple(value) else None


def tree_is_leaf(tree, is_leaf=None):
    """Whether ``tree`` is no container."""
    return (is_leaf is not None and is_leaf(tree)) or _kind(tree) is None


def tree_flatten(tree, is_leaf=None):
    """The leaves from left to right, and a :class:`TreeSpec`. None is a leaf.

    >>> from minigrad.utils._pytree import tree_flatten, tree_unflatten
    >>> leaves, spec = tree_flatten({"a": 1, "b": [2, (3,)]})
    >>> leaves, tree_unflatten([10, 20, 30], spec)
    ([1, 2, 3], {'a': 10, 'b': [20, (30,)]})
    """
    leaves = []
    return leaves, _flatten(tree, is_leaf, leaves)


def _flatten(tree, is_leaf, leaves):
    if tree_is_leaf(tree, is_leaf):
        leaves.append(tree)
        return _LEAF
    kind = _kind(tree)
    children, context = _registered[kind][0](tree)
    return TreeSpec(kind, context, [_flatten(child, is_leaf, leaves) for child in children])


def tree_unflatten(leaves, treespec):
    """The nesting with these leaves."""
    if not isinstance(treespec, TreeSpec):
        raise TypeError(f"tree_unflatten(leaves, treespec): Expected `treespec` to be a TreeSpec, got {type(treespec)}")
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(
            f"tree_unflatten(leaves, treespec): `leaves` has length {len(leaves)} but the spec refers to a pytree that holds "
            f"{treespec.num_leaves} items ({treespec})."
        )
    return _unflatten(iter(leaves), treespec)


def _unflatten(leaves, spec):
    if spec.type is None:
        return next(leaves)
    return _registered[spec.type][1]([_unflatten(leaves, child) for child in spec.children_specs], spec.context)


def tree_iter(tree, is_leaf=None):
    yield from tree_flatten(tree, is_leaf)[0]


def tree_leaves(tree, is_leaf=None):
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree, is_leaf=None):
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func, tree, *rests, is_leaf=None):
    """``func`` of each leaf (and of the leaves in the same places of ``rests``), in the same nesting.

    >>> from minigrad.utils._pytree import tree_map
    >>> tree_map(lambda x: x + 1, {"a": 1, "b": [2]})
    {'a': 2, 'b': [3]}
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [_up_to(spec, rest) for rest in rests]
    return tree_unflatten([func(*values) for values in zip(leaves, *others)], spec)


def _up_to(spec, tree):
    """The parts of ``tree`` in the places of the leaves of ``spec``."""
    if spec.type is None:
        return [tree]
    if _kind(tree) is not spec.type:
        raise ValueError(f"Node type mismatch; expected {spec.type!r}, but got {type(tree)!r}.")
    children, context = _registered[spec.type][0](tree)
    if len(children) != len(spec.children_specs):
        raise ValueError(f"Node arity mismatch; expected {len(spec.children_specs)}, but got {len(children)}.")
    if spec.type in (dict, OrderedDict) and set(context) != set(spec.context):
        raise ValueError(f"Node keys mismatch; expected {spec.context}, but got {context}.")
    if spec.type in (dict, OrderedDict):
        children = [tree[k] for k in spec.context]
    return [part for s, child in zip(spec.children_specs, children) for part in _up_to(s, child)]


def tree_map_(func, tree, *rests, is_leaf=None):
    """Call ``func`` for each leaf, for what it does; returns ``tree``."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_map_only(type_or_types, func, tree, is_leaf=None):
    """``func`` of the leaves of these types (or for which the given predicate holds); the others as they are."""
    fits = _predicate(type_or_types)
    return tree_map(lambda x: func(x) if fits(x) else x, tree, is_leaf=is_leaf)


def tree_map_only_(type_or_types, func, tree, is_leaf=None):
    tree_map_only(type_or_types, func, tree, is_leaf=is_leaf)
    return tree


def tree_all(pred, tree, is_leaf=None):
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred, tree, is_leaf=None):
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(type_or_types, pred, tree, is_leaf=None):
    fits = _predicate(type_or_types)
    return all(pred(x) for x in tree_iter(tree, is_leaf) if fits(x))


def tree_any_only(type_or_types, pred, tree, is_leaf=None):
    fits = _predicate(type_or_types)
    return any(pred(x) for x in tree_iter(tree, is_leaf) if fits(x))


def _predicate(type_or_types):
    if isinstance(type_or_types, type | tuple):
        return lambda x: isinstance(x, type_or_types)
    return type_or_types
