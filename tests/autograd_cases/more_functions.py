"""More of programs' own Functions, forward mode, and hooks of what is saved.

Each case takes the library, minigrad or PyTorch, and returns numbers; an error is compared by its type and words.
"""

from .common import case_table, leaf, plain, squaring

CASES, case = case_table()


@case
def fn_saved_in_forward(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            with torch.enable_grad():
                z = x.detach().requires_grad_()
                y = z * z
                ctx.g = torch.autograd.grad(y.sum(), z)[0]
            return y.detach()

        @staticmethod
        def backward(ctx, g):
            return g * ctx.g

    x = leaf(torch, 3.0)
    A.apply(x).sum().backward()
    return x.grad


@case
def fn_bwd_enable_grad(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.sin()

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                y = x.sin()
                y.backward(g)
            return x.grad

    x = leaf(torch, 3.0)
    A.apply(x).sum().backward()
    return x.grad


@case
def fn_grad_mode_in_bwd(torch):
    r = []

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            r.append(torch.is_grad_enabled())
            return x * 1

        @staticmethod
        def backward(ctx, g):
            r.append(torch.is_grad_enabled())
            return g

    x = leaf(torch, 3.0)
    A.apply(x).sum().backward()
    torch.autograd.grad(A.apply(x).sum(), x, create_graph=True)
    return r


@case
def fn_list_input(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, loss_):
            return x * loss_[0]

        @staticmethod
        def backward(ctx, g):
            return (g, None)

    x = leaf(torch, 3.0)
    A.apply(x, [leaf(torch, 2.0)]).sum().backward()
    return x.grad


@case
def fn_nograd(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g

    with torch.no_grad():
        y = A.apply(leaf(torch, 1.0))
    return [y.requires_grad, A.apply(leaf(torch, 1.0, rg=False)).requires_grad]


@case
def fn_int_output(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return (x > 0).long()

        @staticmethod
        def backward(ctx, g):
            return g

    return [A.apply(leaf(torch, 1.0)).requires_grad]


@case
def fn_ste(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return (x > 0).float()

        @staticmethod
        def backward(ctx, g):
            return torch.nn.functional.hardtanh(g)

    x = leaf(torch, 1.0, -3.0)
    A.apply(x).sum().backward()
    return [x.grad, str(x.grad.dtype)[-7:]]


@case
def fn_varargs(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, n, *xs):
            ctx.n = n
            return tuple(x * n for x in xs)

        @staticmethod
        def backward(ctx, *gs):
            return (None,) + tuple(g * ctx.n for g in gs)

    a, b = (leaf(torch, 1.0), leaf(torch, 2.0))
    p, q = A.apply(3, a, b)
    (p * q).sum().backward()
    return [a.grad, b.grad]


@case
def fn_jvp(torch):
    fwAD = torch.autograd.forward_ad

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            ctx.save_for_forward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

        @staticmethod
        def jvp(ctx, t):
            (x,) = ctx.saved_tensors
            return t * 3 * x**2

    with fwAD.dual_level():
        d = fwAD.make_dual(leaf(torch, 2.0, rg=False), leaf(torch, 5.0, rg=False))
        o = A.apply(d)
        return [fwAD.unpack_dual(o).primal, fwAD.unpack_dual(o).tangent]


@case
def fwd_ad(torch):
    fwAD = torch.autograd.forward_ad
    x, t = (leaf(torch, 1.0, 2.0, rg=False), leaf(torch, 1.0, 0.5, rg=False))
    with fwAD.dual_level():
        d = fwAD.make_dual(x, t)
        y = (d.sin() * d + 2).sum()
        p, q = fwAD.unpack_dual(y)
        r = [p, q, fwAD.unpack_dual(torch.ones(1)).tangent]
    return r


@case
def sth(torch):
    s = []

    def pack(t):
        s.append(("p", plain(t)))
        return t.detach().numpy() * 1

    def unpack(a):
        s.append("u")
        return torch.from_numpy(a)

    x = leaf(torch, 1.0, 2.0)
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = (x * x).sum()
    y.backward()
    return [x.grad, len(s), s[0]]


@case
def sth_exp(torch):
    s = []
    x = leaf(torch, 1.0, 2.0)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (s.append(plain(t)), t)[1], lambda t: t * 2):
        y = x.exp()
    y.sum().backward()
    return [x.grad, s]


@case
def sth_net(torch):
    x = leaf(torch, 1.0, 2.0)
    w = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    with torch.autograd.graph.save_on_cpu():
        y = torch.tanh(w @ x).sum()
    y.backward()
    return [x.grad, w.grad]


@case
def sth_fn(torch):
    A = squaring(torch)

    x = leaf(torch, 3.0)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t + 1, lambda t: t * 10):
        y = A.apply(x)
    y.sum().backward()
    return x.grad


@case
def sth_disabled(torch):
    with torch.autograd.graph.disable_saved_tensors_hooks("no hooks here"):
        with torch.autograd.graph.saved_tensors_hooks(lambda x: x, lambda x: x):
            leaf(torch, 1.0) * leaf(torch, 1.0)


@case
def sth_double(torch):
    x = leaf(torch, 1.0, 2.0)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        y = (x**3).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    return [g, torch.autograd.grad(g.sum(), x)]


@case
def mutation_allowed(torch):
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        x = leaf(torch, 1.0, 2.0)
        h = x * 1
        y = (h * h).sum()
        h.sin_()
        y.backward()
    return x.grad
