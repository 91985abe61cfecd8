"""What programs write as their own autograd Functions.

Each case takes the library, minigrad or PyTorch, and returns numbers; an error is compared by its type and words.
"""

from .common import case_table, leaf, squaring

CASES, case = case_table()


@case
def fn_basic(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, k):
            ctx.k = k
            ctx.save_for_backward(x)
            return x * k

        @staticmethod
        def backward(ctx, g):
            return (g * ctx.k, None)

    x = leaf(torch, 1.0, 2.0)
    y = A.apply(x, 3)
    y.sum().backward()
    return [x.grad, y.grad_fn.name(), type(y.grad_fn).__name__]


@case
def fn_dirty(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf(torch, 1.0, 2.0)
    h = x * 1
    y = A.apply(h)
    y.sum().backward()
    return [x.grad, y is h, h._version]


@case
def fn_dirty_leaf(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    A.apply(leaf(torch, 1.0))


@case
def fn_nondiff(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            m = x > 0
            i = x * 3
            ctx.mark_non_differentiable(m, i)
            return (x * 2, m, i)

        @staticmethod
        def backward(ctx, g, gm, gi):
            return g * 2 + gi.sum()

    x = leaf(torch, 1.0, -2.0)
    a, m, i = A.apply(x)
    a.sum().backward()
    return [x.grad, m.requires_grad, i.requires_grad]


@case
def fn_mat_false(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return (x * 2, x * 3)

        @staticmethod
        def backward(ctx, a, b):
            return a * 2 if b is None else None

    x = leaf(torch, 1.0)
    p, _q = A.apply(x)
    p.sum().backward()
    return x.grad


@case
def fn_wrong_count(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            return g

    A.apply(leaf(torch, 1.0), leaf(torch, 2.0)).sum().backward()


@case
def fn_wrong_count2(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return (g, g)

    A.apply(leaf(torch, 1.0)).sum().backward()


@case
def fn_extra_none(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return (g, None, None)

    x = leaf(torch, 1.0)
    A.apply(x).sum().backward()
    return x.grad


@case
def fn_badshape(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return torch.ones(5, dtype=torch.float64)

    x = leaf(torch, 1.0, 2.0)
    A.apply(x).sum().backward()
    return x.grad


@case
def fn_expandable(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g[:1] * 0 + 7

    x = leaf(torch, 1.0)
    A.apply(x.expand(1)).sum().backward()
    return x.grad


@case
def fn_nontensor_grad(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return 5

    x = leaf(torch, 1.0)
    A.apply(x).sum().backward()


@case
def fn_noforward(torch):

    class A(torch.autograd.Function):
        pass

    A.apply(leaf(torch, 1.0))


@case
def fn_nobackward(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

    A.apply(leaf(torch, 1.0)).sum().backward()


@case
def fn_oldstyle(torch):

    class A(torch.autograd.Function):
        def forward(self, x):
            return x * 1

        def backward(self, g):
            return g

    A()(leaf(torch, 1.0))


@case
def fn_save_nontensor(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(5)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g

    A.apply(leaf(torch, 1.0))


@case
def fn_kwargs(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, k=3):
            ctx.k = k
            return x * k

        @staticmethod
        def backward(ctx, g):
            return (g * ctx.k, None)

    x = leaf(torch, 1.0)
    A.apply(x).sum().backward()
    return [x.grad]


@case
def fn_kwargs_apply(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, k=3):
            return x * k

    A.apply(leaf(torch, 1.0), k=3)


@case
def fn_setup(torch):

    class A(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x, k):
            return (x * k, x + 1)

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, k = inputs
            ctx.k = k
            ctx.save_for_backward(x)
            ctx.o = len(output)

        @staticmethod
        def backward(ctx, a, b):
            return (a * ctx.k + b * ctx.o, None)

    x = leaf(torch, 1.0, 3.0)
    a, b = A.apply(x, 4)
    (a + b).sum().backward()
    return x.grad


@case
def fn_double(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, g):
            _x, y = ctx.saved_tensors
            return g * y

    x = leaf(torch, 0.5, 1.0)
    (g,) = torch.autograd.grad(A.apply(x).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad((g * g).sum(), x, create_graph=True)
    return [g, h, torch.autograd.grad(h.sum(), x)]


@case
def fn_once(torch):
    once_differentiable = torch.autograd.function.once_differentiable

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    x = leaf(torch, 3.0)
    (g,) = torch.autograd.grad(A.apply(x).sum(), x, create_graph=True)
    g.sum().backward()


@case
def fn_saved_freed(torch):
    A = squaring(torch)

    x = leaf(torch, 3.0)
    y = A.apply(x).sum()
    y.backward()
    y.backward()


@case
def fn_nosaved_twice(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x + x

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    x = leaf(torch, 3.0)
    y = A.apply(x)
    g = torch.ones(1, dtype=torch.float64)
    y.backward(g)
    y.backward(g)
    return x.grad


@case
def fn_saved_modified(torch):
    A = squaring(torch)

    x = leaf(torch, 3.0)
    h = x * 1
    y = A.apply(h)
    h.add_(1)
    y.sum().backward()


@case
def fn_return_input(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return -g

    x = leaf(torch, 3.0)
    y = A.apply(x)
    y.sum().backward()
    return [x.grad, y is x, y.requires_grad]


@case
def fn_view_as(torch):

    class R(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, a):
            ctx.a = a
            return x.view_as(x)

        @staticmethod
        def backward(ctx, g):
            return (g.neg() * ctx.a, None)

    x = leaf(torch, 3.0)
    y = R.apply(x, 2.0)
    y.sum().backward()
    return [x.grad]


@case
def fn_needs(torch):
    r = []

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w, k):
            r.append(ctx.needs_input_grad)
            return x * w

        @staticmethod
        def backward(ctx, g):
            r.append(ctx.needs_input_grad)
            return (g if ctx.needs_input_grad[0] else None, g if ctx.needs_input_grad[1] else None, None)

    A.apply(leaf(torch, 1.0, rg=False), leaf(torch, 2.0), 3).sum().backward()
    return [list(a) for a in r]


@case
def fn_none_out(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return (x * 1, None, "s")

        @staticmethod
        def backward(ctx, g, n, s):
            return g if n is None and s is None else g * 100

    x = leaf(torch, 1.0)
    a, b, c = A.apply(x)
    a.sum().backward()
    return [x.grad, b, c]


@case
def fn_attrs(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.foo = [1, 2]
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g * len(ctx.foo)

    x = leaf(torch, 1.0)
    y = A.apply(x)
    r = y.grad_fn.foo
    y.sum().backward()
    return [r, x.grad]
