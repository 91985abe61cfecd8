"""What of a value somebody reads: where all readers want the same part, only that part is computed.

A language model that is asked for its last position's scores gives those of all of them, and a slice takes the last. Products,
norms, attention and element-wise calls compute the rows of their results one from another's independently, so the slice moves
up through them, to where somebody wants all rows.
"""

import itertools
import math

from .expressions import is_elementwise
from .fuse import is_plain
from .ir import Graph, Instruction
from .matmul import is_product


def narrowed(graph):
    """The graph with slices moved up to where they save a product or an attention; the graph itself if there are none."""
    wanted = {}  # value -> its region, a range for each axis: the whole where readers want different parts of it
    asked = {}  # call that computes its region alone -> the regions of its inputs
    for o in graph.outputs:
        _ask(wanted, o, _whole(o))
    for n in reversed(graph.nodes):
        regions = _regions(n, wanted.get(n))
        if regions is not None:
            asked[n] = regions
        for i, region in zip(n.inputs, regions or itertools.repeat(None)):
            if i.__class__ is Instruction:
                _ask(wanted, i, region)
    if not any(is_product(n) or n.op == "attention" for n in asked):
        return graph
    return _rebuilt(graph, wanted, asked)


def _whole(n):
    return None if n.shape is None or n.number else tuple(map(range, n.shape))


def _ask(wanted, n, region):
    wanted[n] = region if region is not None and wanted.get(n, region) == region else _whole(n)


def _regions(n, region):
    """The regions of its inputs that a call needs for a region of its result; None where it computes the whole."""
    if region is None or n.number or any(len(r) == 0 for r in region):
        return None
    if n.op == "getitem" and len(n.inputs) == 1:
        return [_sliced(n, region)]
    if n.op == "pick":
        return [region] if n.inputs[0].op == "layer_norm" and n.params["output"] == 0 else None
    if n.op == "layer_norm":
        return _normalized(n, region)
    if n.shape is None or region == _whole(n):
        return None
    rule = _RULES.get(n.op) or (_elementwise if is_elementwise(n) and "shape" not in n.params else None)
    return rule(n, region) if rule is not None else None


def _normalized(n, region):
    x, *parameters = n.inputs
    if region == _whole(x) or len(region[-1]) < x.shape[-1]:
        return None
    return [region, *(_whole(p) if p.__class__ is Instruction else None for p in parameters)]


def _sliced(n, region):
    """Of the input of a basic slice."""
    shape, region, found = n.inputs[0].shape, list(region), []
    key = n.params["key"]
    named = sum(1 for k in key if k is not None and k is not ...)
    for k in [*key, *(() if ... in key else (...,))]:
        if k is None:
            region.pop(0)
        elif k is ...:
            found += [region.pop(0) for _ in range(len(shape) - named)]
        elif k.__class__ is tuple:
            found.append(_part(range(shape[len(found)])[slice(*k[1:])], region.pop(0)))
        else:
            place = k % shape[len(found)]
            found.append(range(place, place + 1))
    return tuple(found)


def _part(places, inner):
    """The places whose numbers are ``inner``."""
    return places[inner.start : inner.stop : inner.step]


def _spread(region, shape):
    """Of an operand of ``shape`` that broadcasts to a result."""
    return tuple([range(1) if n == 1 else r for r, n in zip(region[len(region) - len(shape) :], shape)])


def _elementwise(n, region):
    return [_spread(region, i.shape) if is_plain(i) else None for i in n.inputs]


def _permuted(n, region):
    axes = n.params["axes"]
    return [tuple([region[axes.index(a)] for a in range(len(axes))])]


def _transposed(n, region):
    return [(*region[:-2], region[-1], region[-2])]


def _reshaped(n, region):
    """Where every axis of which a part is wanted is an axis of the input too."""
    x, places = n.inputs[0], {}
    for axis, size in enumerate(x.shape):
        places.setdefault((size, math.prod(x.shape[axis + 1 :])), axis)
    found = list(map(range, x.shape))
    for axis, (size, r) in enumerate(zip(n.shape, region)):
        if len(r) < size:
            place = places.get((size, math.prod(n.shape[axis + 1 :])))
            if place is None:
                return None
            found[place] = r
    return [tuple(found)]


def _product(n, region):
    a, b = n.inputs
    if not is_product(n) or len(a.shape) < 2 or len(b.shape) < 2:
        return None
    *batch, rows, columns = region
    inner = range(a.shape[-1])
    return [(*_spread(batch, a.shape[:-2]), rows, inner), (*_spread(batch, b.shape[:-2]), inner, columns)]


def _attention(n, region):
    """Causal: only of one query that sees all keys."""
    q, k, v = n.inputs
    *heads, queries, depth = region
    width, keys = range(q.shape[-1]), range(k.shape[-2])
    if q.shape[:-2] != k.shape[:-2] or k.shape[:-1] != v.shape[:-1]:
        return None
    if n.params["causal"] and len(queries) < q.shape[-2] and (len(queries) > 1 or queries.start + 1 < len(keys)):
        return None
    return [(*heads, queries, width), (*heads, keys, width), (*heads, keys, depth)]


def _embedded(n, region):
    return [region[:-1], _whole(n.inputs[1])] if len(region[-1]) == n.shape[-1] else None


_RULES = {
    "permute_dims": _permuted, "matrix_transpose": _transposed, "reshape": _reshaped, "matmul": _product,
    "attention": _attention, "embedding": _embedded, "alias": _elementwise,
}  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- the new graph
def _rebuilt(graph, wanted, asked):
    known, nodes = {i: i for i in graph.inputs}, []

    def part(i, region):
        """The value that stands for a region of ``i``."""
        value = known[i]
        if value.shape is None or region is None or value.shape == tuple(map(len, region)):
            return value
        key = tuple([("slice", r.start, r.stop, r.step) for r in region])
        nodes.append(Instruction("getitem", (value,), {"key": key}))
        nodes[-1].shape, nodes[-1].dtype = tuple(map(len, region)), i.dtype
        return nodes[-1]

    for n in graph.nodes:
        below = n in asked and n.inputs[0] in asked
        if n not in asked or (not below and (n.op == "pick" or (n.op == "getitem" and wanted[n] == _whole(n)))):
            inputs = tuple([known[i] if i.__class__ is Instruction else i for i in n.inputs])
            known[n] = n if inputs == n.inputs else n.copy(inputs)
        else:
            inputs = [part(i, r) if i.__class__ is Instruction else i for i, r in zip(n.inputs, asked[n])]
            known[n] = _of_part(n, inputs, None if n.shape is None else tuple(map(len, wanted[n])))
        nodes.append(known[n])
    return Graph(graph.inputs, nodes, [known[o] for o in graph.outputs], graph.state)


def _of_part(n, inputs, shape):
    """The call on parts of its inputs."""
    if n.op in ("getitem", "reshape"):
        made = Instruction("reshape", inputs, {"shape": shape})
        made.dtype = n.dtype
    else:
        made = n.copy(tuple(inputs))
    if n.op == "attention":
        made.params = {**n.params, "causal": n.params["causal"] and inputs[0].shape[-2] == n.inputs[0].shape[-2]}
    made.shape = shape
    return made
