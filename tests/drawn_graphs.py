"""Functions of tensors, drawn at random as the text of a Python function that can be read, run as it is, and compiled.

A :class:`Drawing` gets every choice from ``draw(n)``, a number below ``n``: of Hypothesis, or of ``random.Random``. Each line is
run while it is drawn, so that the next one knows shapes and dtypes; a line that raises is left out.
"""

import math

import numpy as np

import minigrad as mg
from minigrad.nn import functional as F

SMOOTH = (
    "exp log log1p tanh sigmoid sqrt rsqrt sin cos tan erf erfc expm1 atan asinh reciprocal square sinh cosh exp2 log2 log10 "
    "lgamma sinc"
).split()
ACTIVATIONS = (
    "gelu silu softplus elu selu mish hardtanh leaky_relu hardswish logsigmoid relu6 softsign tanhshrink hardsigmoid celu"
).split()
EXACT = "relu abs neg".split()
STEPPED = "floor ceil round trunc sign isnan isfinite isinf signbit frac logical_not".split()
SMOOTH_PAIRS = ["({} + {})", "({} - {})", "({} * {})", "({} / {})", "mg.atan2({}, {})",
                "mg.hypot({}, {})", "mg.logaddexp({}, {})",
                "({}.abs() + 0.5) ** {}", "mg.lerp({}, {}, 0.25)", "mg.addcmul({0}, {1}, {0})",
                "mg.addcdiv({0}, {1}, {0}, value=0.5)",
                "mg.xlogy({}.abs(), {}.abs())", "F.mse_loss({}, {}, reduction='none')"]  # fmt: skip
EXACT_PAIRS = ["mg.maximum({}, {})", "mg.minimum({}, {})", "mg.fmax({}, {})", "mg.fmin({}, {})", "mg.copysign({}, {})",
               "mg.where({0} > {1}, {0}, {1})", "mg.where({0} <= {1}, {0}, 0.5)"]  # fmt: skip
TESTS = "> < >= <= == !=".split()
SCALARS = "2 -1 3 0 0.5 -1.5 1e-3 True 1.0".split()
SIZES = (1, 2, 3, 3, 4, 5, 7, 1, 2, 3, 0)
MOST = 240  # elements of a tensor


class Drawing:
    """``text``: the function ``f(a0, ...)``; ``captured``: the tensors it reads besides, by name; ``arguments``: examples."""

    def __init__(self, draw, dtype, lines, backward):
        self.draw, self.dtype, self.backward = draw, dtype, backward
        self.seeds = np.random.default_rng(draw(1000))
        self.captured, self.arguments, self.lines, self.exact, self.pool = {}, [], [], set(), []
        self.scope = {"mg": mg, "F": F, "math": math}
        for _ in range(1 + draw(3)):
            name = f"a{len(self.arguments)}"
            self.arguments.append(self.tensor(self.shape()))
            self._enter(name, self.arguments[-1])
        for _ in range(1 + draw(3)):
            self.weight(self.shape())
        self._draw(lines)

    # ---------------------------------------------------------------------------------------------------------- values
    def pick(self, options):
        return options[self.draw(len(options))]

    def shape(self):
        shape = []
        for _ in range(self.draw(5)):
            size = self.pick(SIZES[:-1] if self.draw(8) else SIZES)
            if math.prod(shape) * size <= MOST:
                shape.append(size)
        return tuple(shape)

    def values(self, shape):
        """Numbers with few digits: sums of a few of them are exact."""
        return np.asarray(np.round(self.seeds.standard_normal(shape) * 64) / 64)

    def tensor(self, shape):
        kind = self.draw(12)
        if kind == 0:
            return mg.tensor(self.seeds.integers(-5, 6, shape))
        if kind == 1:
            return mg.tensor(np.asarray(self.seeds.integers(0, 2, shape), bool))
        other = {"float32": "float64", "float64": "float32"}[self.dtype]
        return mg.tensor(self.values(shape).astype(other if kind == 2 else self.dtype))

    def _enter(self, name, t):
        self.scope[name] = t
        self.pool.append(name)
        self.exact.add(name)

    def weight(self, shape, values=None, grad=True, keep=True):
        """The name of a new captured tensor."""
        t = mg.tensor(self.values(shape).astype(self.dtype) if values is None else values)
        if grad and self.backward and t.is_floating_point() and self.draw(3):
            t.requires_grad_()
        name = f"c{len(self.captured)}"
        self.captured[name] = t
        if keep:
            self._enter(name, t)
        self.scope[name] = t
        return name

    def integers(self, low, high, *shape):
        return self.weight(shape, self.seeds.integers(low, high, shape), keep=False)

    def of(self, test=lambda t: True, exact=False):
        """A name of the pool, the late ones more often; None if there is none."""
        names = [n for n in self.pool if test(self.scope[n]) and (not exact or n in self.exact)]
        return names[-1 - min(self.draw(len(names)), self.draw(len(names)))] if names else None

    def float(self, test=lambda t: True, exact=False):
        return self.of(lambda t: t.is_floating_point() and test(t), exact)

    def beside(self, x, exact=False, test=lambda t: True):
        """A name whose tensor can be broadcast with that of ``x``."""
        shape = self.scope[x].shape

        def fits(t):
            try:
                return math.prod(np.broadcast_shapes(tuple(shape), tuple(t.shape))) <= MOST and test(t)
            except ValueError:
                return False

        return self.of(fits, exact)

    # ----------------------------------------------------------------------------------------------------------- lines
    def _draw(self, lines):
        tries = 0
        while len(self.lines) < lines and tries < 4 * lines:
            tries += 1
            with np.errstate(all="ignore"):
                found = self.pick(FAMILIES)(self)
                if found is not None:
                    self._append(*found)

    def _append(self, text, exact):
        """Add the line ``name = text``, or a statement that ends in ``; name = text``."""
        before, _, last = text.rpartition("; ")
        name = f"t{len(self.lines)}"
        line = f"{before}; {name} = {last}" if before else f"{name} = {last}"
        kept = {k: (t, t.array.copy()) for k, t in self.scope.items() if isinstance(t, mg.Tensor)} if before else {}
        scope = dict(self.scope)
        try:
            with mg.no_grad():
                exec(line, scope)
        except Exception:
            for t, array in kept.values():
                t.array[...] = array
            return
        value = scope[name]
        if isinstance(value, mg.Tensor) and value.numel() <= 2 * MOST and value.ndim <= 6 and not value.is_complex():
            self.lines.append(line)
            self.scope[name] = value
            self.pool.append(name)
            if exact:
                self.exact.add(name)

    def all_exact(self, *names):
        return all(n in self.exact for n in names)

    # ------------------------------------------------------------------------------------------------------ the function
    def finish(self):
        """The text of the function. The last values are results, some twice, with arguments and views of them among them."""
        made = [n for n in self.pool if n[0] == "t"] or self.pool
        results = list(dict.fromkeys([*made[-3:], *(self.pick(self.pool) for _ in range(2))]))
        if not self.draw(4):
            results.append(results[0])
        body = [*self.lines]
        clear = "mg.Tensor" if not self.draw(3) else None
        weights = [n for n, t in self.captured.items() if t.requires_grad]
        if weights and clear is None:
            body = [*(f"{n}.grad = None" for n in weights), *body]
        if self.backward:
            parts = [f"({n} * {self.pick(('0.5', '1.5', '-1'))}).sum()" for n in results if self.scope[n].is_floating_point()]
            body.append(f"loss = ({' + '.join(dict.fromkeys(parts)) or '0.0'})")
            body.append("if isinstance(loss, mg.Tensor) and loss.requires_grad: loss.backward()")
        if not self.draw(4):
            results[-1] += ".reshape(-1)"
        self.results = [f"{r}.detach()" if self.backward else r for r in results]
        head = ", ".join(f"a{k}" for k in range(len(self.arguments)))
        return f"def f({head}):\n" + "".join(f"    {line}\n" for line in body) + f"    return [{', '.join(self.results)}]\n"

    def examples(self, calls):
        """Arguments for each call; their values differ in the last digits, and some want gradients."""
        wanted = [self.backward and t.is_floating_point() and bool(self.draw(2)) for t in self.arguments]
        made = []
        for k in range(calls):
            arrays = [np.array(t.array) * (1 + k * 2**-20) if t.is_floating_point() else t.array.copy() for t in self.arguments]
            arrays = [np.asarray(a, t.array.dtype) for a, t in zip(arrays, self.arguments)]
            made.append([mg.tensor(a).requires_grad_(w) if w else mg.tensor(a) for a, w in zip(arrays, wanted)])
        return made


# --------------------------------------------------------------------------------------------------------- families of lines
def unary(d):
    which = d.draw(4)
    if which == 0:
        x = d.float(exact=True)
        return x and (f"{x}.{d.pick(STEPPED)}()", True)
    x = d.float()
    if which == 1:
        return x and (f"F.{d.pick(ACTIVATIONS)}({x})", False)
    if which == 2:
        return x and (f"{x}.{d.pick(EXACT)}()", d.all_exact(x))
    return x and (f"{x}.{d.pick(SMOOTH)}()", False)


def binary(d):
    exact = not d.draw(3)
    x = d.float(exact=exact)
    y = x and d.beside(x, exact=exact)
    if not y:
        return None
    if exact:
        if d.draw(2):
            return f"({x} {d.pick(TESTS)} {y})", True
        return d.pick(EXACT_PAIRS).format(x, y), True
    return d.pick(SMOOTH_PAIRS).format(*((x, y) if d.draw(2) else (y, x))), False


def with_number(d):
    x, number = d.of(), d.pick(SCALARS)
    if d.draw(4):
        sign = d.pick("+-*/")
        return (f"({x} {sign} {number})" if d.draw(2) else f"({number} {sign} {x})"), False
    if d.draw(2):
        return f"{x}.clamp(-0.75, {d.pick(('0.5', '2'))})", d.all_exact(x)
    return (
        (f"({x} {d.pick(TESTS)} {number})", True)
        if x in d.exact
        else (f"({x} ** {d.pick(('2', '3', '2.0', '1', '0.5', '-1'))})", False)
    )


def whole_numbers(d):
    """Truth values and integers, and casts between all dtypes."""
    which = d.draw(5)
    x = d.of(lambda t: not t.is_floating_point(), exact=True)
    if which == 0 or x is None:
        x = d.float(exact=True)
        dtype = d.pick("float32 float64 int64 int32 bool uint8".split())
        return x and (f"{x}.abs().to(mg.{dtype})" if dtype == "uint8" else f"{x}.to(mg.{dtype})", True)
    if which == 1:
        return f"{x}.to(mg.{d.pick('float32 float64 int64 int32 bool'.split())})", True
    y = d.beside(x, True, lambda t: not t.is_floating_point())
    if which == 2:
        return f"({x} {d.pick('& | ^ + - * // % > =='.split())} {y})", True
    if which == 3:
        return d.pick(("mg.logical_xor({}, {})", "mg.logical_or({}, {})", "mg.maximum({}, {})", "mg.bitwise_and({}, {})")).format(
            x, y
        ), True
    z = d.beside(x)
    return f"mg.where({x} != 0, {z}, {d.pick(('0', '-1.5', 'math.inf', z))})", d.all_exact(z)


def axes_of(d, t):
    if t.ndim == 0 or not d.draw(4):
        return "None"
    axes = [k for k in range(t.ndim) if d.draw(2)] or [d.draw(t.ndim)]
    axes = [k - t.ndim if d.draw(2) else k for k in axes]
    return str(axes[0]) if len(axes) == 1 else str(tuple(axes))


def reduction(d):
    name = d.pick("sum mean sum mean prod var std logsumexp amax amin any all norm argmax cumsum count_nonzero softmax".split())
    exact = name in ("amax", "amin", "argmax", "any", "all", "count_nonzero")
    x = d.of(exact=True) if exact else d.float()
    if x is None:
        return None
    t, keep = d.scope[x], d.pick(("True", "False"))
    axes = axes_of(d, t)
    one = str(d.draw(t.ndim) - t.ndim) if t.ndim else "0"
    if name in ("sum", "mean", "any", "all") and axes == "None":
        return f"{x}.{name}()", exact
    if name in ("sum", "mean", "any", "all", "logsumexp"):
        return f"{x}.{name}({axes}, keepdim={keep})" if axes != "None" else f"{x}.logsumexp(0)", exact
    if name in ("var", "std"):
        return f"{x}.{name}({axes}, keepdim={keep}, correction={d.draw(2)})", False
    if name in ("amax", "amin"):
        return f"mg.{name}({x}, {'()' if axes == 'None' else axes}, keepdim={keep})", True
    if name == "norm":
        return f"mg.linalg.vector_norm({x}, {d.pick(('2', '1', '3', 'math.inf'))}, {axes}, {keep})", False
    if name in ("prod", "argmax"):
        return f"{x}.{name}({one}, keepdim={keep})", exact
    return f"mg.{name}({x}, {one})", exact


def key_of(d, t, basic=True):
    """An index with slices, integers, None and an ellipsis."""
    keys = []
    for n in t.shape:
        which = d.draw(6)
        if which == 0 and n:
            keys.append(str(d.draw(n) - (n if d.draw(2) else 0)))
        elif which == 1:
            keys.append(f"{d.draw(n + 1)}:")
        elif which == 2:
            keys.append(f"::{1 + d.draw(3)}")
        elif which == 3:
            keys.append(f"{-d.draw(n + 1) or ''}:{d.draw(n + 1)}")
        elif which == 4 and not basic:
            keys.append("None, :")
        else:
            keys.append(":")
    if d.draw(3) == 0 and keys:
        keys = [*keys[: d.draw(len(keys))], "..."]
    return ", ".join(keys) or "..."


def factored(d, n):
    shape = []
    for p in (2, 3, 5, 7):
        while n and n % p == 0:
            n //= p
            place = d.draw(len(shape) + 1)
            if place < len(shape) and d.draw(2):
                shape[place] *= p
            else:
                shape.insert(place, p)
    if n != 1:
        shape.append(n)
    if not d.draw(4):
        shape.insert(d.draw(len(shape) + 1), 1)
    return tuple(shape)


def view_text(d, x):
    t = d.scope[x]
    which = d.draw(13)
    axis = str(d.draw(t.ndim) - (t.ndim if d.draw(2) else 0)) if t.ndim else "0"
    other = str(d.draw(t.ndim)) if t.ndim else "0"
    if which <= 1:
        return f"{x}.reshape({factored(d, t.numel())})"
    if which == 2:
        order = list(range(t.ndim))
        for k in range(t.ndim):
            j = d.draw(t.ndim)
            order[k], order[j] = order[j], order[k]
        return f"{x}.permute({tuple(order)})"
    if which == 3:
        return f"{x}.transpose({axis}, {other})"
    if which <= 5:
        return f"{x}[{key_of(d, t, basic=False)}]"
    if which == 6:
        return f"{x}.expand({(*(1 + d.draw(3) for _ in range(d.draw(2))), *(n if n != 1 else 1 + d.draw(3) for n in t.shape))})"
    if which == 7:
        return d.pick((f"{x}.squeeze()", f"{x}.squeeze({axis})", f"{x}.unsqueeze({axis})"))
    if which == 8:
        return f"{x}.flip({axis})"
    if which == 9:
        return f"{x}.diagonal(0, {axis}, {other})" if d.draw(2) else f"{x}.diagonal(1, -2, -1)"
    if which == 10:
        return d.pick((f"{x}.flatten()", f"{x}.contiguous()", f"{x}.movedim({axis}, {other})", f"{x}.clone()"))
    if which == 11:
        return f"{x}.{d.pick(('chunk', 'split'))}(2, {axis})[{d.pick(('0', '-1'))}]"
    return d.pick((f"{x}.tril()", f"{x}.triu(1)", f"{x}.roll(1, {axis})", f"{x}.unfold({axis}, 2, 1)", f"{x}.unbind({axis})[-1]"))


def view(d):
    x = d.of()
    return view_text(d, x), d.all_exact(x)


def product(d):
    """matmul in all rank combinations, with operands transposed and batches broadcast."""
    x = d.float(lambda t: t.ndim >= 1)
    if x is None:
        return None
    t = d.scope[x]
    k, m, which = t.shape[-1], 1 + d.draw(5), d.draw(7)
    dtype = str(t.dtype).rpartition(".")[2]
    if which == 0:
        return f"{x} @ {d.weight((k,))}.to(mg.{dtype})", False
    if which == 1:
        return f"{x} @ {d.weight((m, k))}.to(mg.{dtype}).T", False
    if which == 2:
        batch = tuple(d.pick((1, n)) for n in t.shape[:-2]) if d.draw(2) else (2, *t.shape[:-2])
        return f"{x} @ {d.weight((*batch, k, m))}.to(mg.{dtype})", False
    if which == 3:
        y = d.float(lambda s: s.ndim >= 1 and s.shape[-1] == k and s.dtype == t.dtype)
        return f"{x} @ {y}.transpose(-1, -2)" if d.scope[y].ndim > 1 else f"{x} @ {y}", False
    if which == 4:
        return f"F.linear({x}, {d.weight((m, k))}.to(mg.{dtype}), {d.weight((m,))}.to(mg.{dtype}))", False
    if which == 5 and t.ndim >= 2:
        return f"{x}.transpose(-1, -2) @ {d.weight((t.shape[-2], m))}.to(mg.{dtype})", False
    return f"{d.weight((m, t.shape[-2] if t.ndim > 1 else k))}.to(mg.{dtype}) @ {x}", False


def together(d):
    x = d.of()
    t = d.scope[x]
    y = d.of(lambda s: s.shape == t.shape)
    axis = d.draw(t.ndim) - (t.ndim if d.draw(2) else 0) if t.ndim else 0
    widths = [d.draw(3) for _ in range(2 * min(t.ndim, 1 + d.draw(2)))]
    return d.pick((
        f"mg.cat([{x}, {y}, {x}], {axis})", f"mg.stack([{x}, {y}], {axis})", f"mg.cat([{x}, {y}[:1]], 0)",
        f"F.pad({x}, {widths}, value={d.pick(('0', '1.5', '-math.inf'))})", f"F.pad({x}, {widths})",
    )), d.all_exact(x, y)  # fmt: skip


def written(d):
    """Writes in place: to a copy, to a view of one, to a captured tensor and to a view of that."""
    which = d.draw(5)
    x = d.float(lambda t: t.ndim >= 1)
    if x is None:
        return None
    t = d.scope[x]
    key, value = key_of(d, t), d.of(lambda s: s.ndim == 0) or "0.5"
    number = d.pick(("0.5", "-2", value))
    if which == 0:
        return f"w = {x}.clone(); w[{key}] = {number}; w", d.all_exact(x) and number != value
    if which == 1:
        return f"w = {x} * 1.0; w[{key}].mul_({number}); w", False
    if which == 2:
        y = d.beside(x, test=lambda s: s.is_floating_point())
        return f"w = {x} * 2; w.{d.pick(('add_', 'sub_', 'mul_'))}({y}); w", False
    name = d.weight(tuple(t.shape), np.asarray(d.values(tuple(t.shape)), str(t.dtype).rpartition(".")[2]), grad=False, keep=False)
    d.exact.discard(name)
    if which == 3:
        change = d.pick(
            (f"{name}.mul_(0.5).add_({x}.detach())", f"{name}.copy_({x}.detach())", f"{name}.add_({x}.detach(), alpha=0.1)")
        )
        return f"{change}; {x} * {name}" if d.draw(2) else f"u = {name} * 3; {change}; u - {x}", False
    return f"{name}[{key}] = {number if number != value else '1.5'}; {x} - {name}", False


def indexed(d):
    x = d.float(lambda t: t.ndim >= 1 and t.shape[0] > 0)
    if x is None:
        return None
    n, t = d.scope[x].shape[0], d.scope[x]
    rows = d.integers(0, n, d.pick((1, 3, 4)))
    many = d.integers(-n, n, 2, 3)
    same = d.weight(tuple(t.shape), d.seeds.integers(0, n, tuple(t.shape)), keep=False)
    mask = d.weight(tuple(t.shape), d.seeds.integers(0, 2, tuple(t.shape)) > 0, keep=False)
    k = len(d.captured[rows])
    exact = d.all_exact(x)
    return d.pick((
        (f"{x}[{rows}]", exact), (f"{x}[{many}]", exact), (f"mg.gather({x}, 0, {same})", exact),
        (f"{x}.index_select(0, {rows})", exact), (f"{x}.masked_fill({mask}, -0.5)", exact),
        (f"{x}.masked_fill({mask}, -math.inf)", exact), (f"mg.zeros_like({x}).scatter_add(0, {same}, {x})", False),
        (f"{x}.index_add(0, {rows}, {x}[:1].expand({k}, *{tuple(t.shape[1:])}) * 2)", False),
        (f"w = {x}.clone(); w[{rows}] = 0.25; w", exact), (f"F.embedding({many}.abs() % {n}, {x})", exact),
        (f"mg.where({mask}, {x}, {x} * 2)", False), (f"F.one_hot({rows}, {n}).to({x}.dtype)", True),
        (f"{x}.sort(0)[0]" if exact else f"{x}[-1]", False), (f"{x}.topk(1, 0)[0]" if exact else f"{x}[..., 0]", False),
    ))  # fmt: skip


def layers(d):
    """What networks are made of, on the last axes."""
    x = d.float(lambda t: 1 <= t.ndim and 0 not in t.shape)
    if x is None:
        return None
    t = d.scope[x]
    n = t.shape[-1]
    dtype = f".to({x}.dtype)"
    last = lambda *shape: d.weight(shape) + dtype
    which = d.draw(12)
    rows = f"{x}.reshape(-1, {n})"
    count = t.numel() // n
    if which == 0:
        return f"F.{d.pick(('softmax', 'log_softmax'))}({x}, {d.draw(t.ndim) - t.ndim})", False
    if which == 1:
        return d.pick(
            (
                f"F.layer_norm({x}, ({n},), {last(n)}, {last(n)})",
                f"F.layer_norm({x}, ({n},))",
                f"F.rms_norm({x}, ({n},), {last(n)})",
            )
        ), False
    if which == 2:
        mean, var = (d.weight((n,), v.astype(t.array.dtype), False, False) for v in (np.zeros(n), np.ones(n)))
        how = f"{mean}, {var}, {last(n)}, {last(n)}, training={d.pick(('True', 'False', 'True'))}, momentum=0.1"
        return f"F.batch_norm({rows}, {how})", False
    if which == 3:
        labels = d.integers(0, n, count)
        return f"F.cross_entropy({rows}, {labels}, reduction={d.pick(('mean', 'sum', 'none'))!r})", False
    if which == 4:
        return d.pick((
            f"F.mse_loss({x}, {x}.tanh())", f"F.smooth_l1_loss({x}, {x} * 0.5 + 0.1)", f"F.l1_loss({x}, {x}.sin() + 3)",
            f"F.binary_cross_entropy_with_logits({x}, ({x}.sigmoid()).detach())",
            f"F.nll_loss(F.log_softmax({rows}, 1), {d.integers(0, n, count)})",
            f"F.huber_loss({x}, {x} * 2 + 0.3)", f"F.kl_div(F.log_softmax({x}, -1), F.softmax({x} * 0.5, -1), reduction='sum')",
        )), False  # fmt: skip
    if which == 5:
        q = f"{x}.reshape(1, 1, {count}, {n})"
        causal = d.pick(("True", "False"))
        return f"F.scaled_dot_product_attention({q}, {q} * 0.5, {q}.sin(), is_causal={causal})", False
    if which == 6:
        image = f"{x}.reshape(1, 1, {count}, {n})" if t.ndim < 3 else f"{x}.reshape(-1, {t.shape[-3]}, {t.shape[-2]}, {n})"
        channels = 1 if t.ndim < 3 else t.shape[-3]
        kernel = last(1 + d.draw(3), channels, d.pick((1, 3)), d.pick((1, 2, 3)))
        return f"F.conv2d({image}, {kernel}, None, stride={1 + d.draw(2)}, padding={1 + d.draw(2)})", False
    if which == 7:
        pool = d.pick(("F.avg_pool1d({}, 2)", "F.max_pool1d({}, 2)", "F.adaptive_avg_pool1d({}, 1)", "F.avg_pool1d({}, 3, 1, 1)"))
        return pool.format(f"{x}.reshape(1, -1, {n})"), False
    if which == 8:
        return f"F.dropout({x}, {d.pick(('0.5', '0.1'))}, training={d.pick(('True', 'True', 'False'))})", False
    if which == 9:
        wide = last(1 + d.draw(3), 1, 2)
        return f"F.conv1d({x}.reshape(-1, 1, {n}), {wide}, {d.pick(('None', last(1)))}, padding=1)", False
    if which == 10:
        return f"F.{d.pick(('group_norm', 'instance_norm'))}({x}.reshape(1, -1, {n}){', 1' if not d.draw(9) else ''})", False
    return f"F.normalize({x}, dim=-1)", False


FAMILIES = [unary, unary, binary, binary, with_number, whole_numbers, reduction, reduction, view, view, view, product, together,
            written, indexed, layers, layers]  # fmt: skip
