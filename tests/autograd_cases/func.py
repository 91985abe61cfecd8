"""What PyTorch programs do with ``torch.func``, ``vmap`` apart.

Each case takes the library, minigrad or PyTorch, and returns numbers; an error is compared by its type and words.
"""

from .common import case_table, leaf, net, wave

CASES, case = case_table()


@case
def pergrad(torch):
    m = net(torch)
    p = {k: v.detach() for k, v in m.named_parameters()}
    b = dict(m.named_buffers())

    def loss(p, b, x, y):
        return torch.nn.functional.cross_entropy(torch.func.functional_call(m, (p, b), (x.unsqueeze(0),)), y.unsqueeze(0))

    return torch.func.vmap(torch.func.grad(loss), in_dims=(None, None, 0, 0))(
        p, b, wave(torch, 5, 3), torch.tensor([0, 1, 1, 0, 1])
    )


@case
def pergrad_conv(torch):
    m = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(8, 2)
    ).double()
    with torch.no_grad():
        for i, p in enumerate(m.parameters()):
            p.copy_(wave(torch, *p.shape, s=i))
    p = dict(m.named_parameters())

    def loss(p, x, y):
        return torch.nn.functional.cross_entropy(torch.func.functional_call(m, p, (x[None],)), y[None])

    g = torch.func.vmap(torch.func.grad(loss), (None, 0, 0))(p, wave(torch, 3, 1, 4, 4), torch.tensor([0, 1, 1]))
    return {k: v.detach() for k, v in g.items()}


@case
def ensemble(torch):
    ms = [net(torch, i) for i in range(3)]
    p, b = torch.func.stack_module_state(ms)
    base = net(torch)

    def f(p, b, x):
        return torch.func.functional_call(base, (p, b), (x,))

    o = torch.func.vmap(f, in_dims=(0, 0, None))(p, b, wave(torch, 4, 3))
    o.sum().backward()
    return [o, {k: v.grad for k, v in p.items()}, p["0.weight"].is_leaf]


@case
def ensemble_mb(torch):
    ms = [net(torch, i) for i in range(3)]
    p, b = torch.func.stack_module_state(ms)
    base = net(torch)
    return torch.func.vmap(lambda p, b, x: torch.func.functional_call(base, (p, b), (x,)))(p, b, wave(torch, 3, 4, 3))


@case
def maml_func(torch):
    W = wave(torch, 3)
    X = wave(torch, 4, 5, 3)
    Y = wave(torch, 4, 5, s=1)

    def loss(w, x, y):
        return ((x @ w - y) ** 2).mean()

    def inner(x, y):
        w = W - 0.1 * torch.func.grad(loss)(W, x, y)
        return loss(w, x, y)

    def outer(w):

        def one(x, y):
            ww = w - 0.1 * torch.func.grad(loss)(w, x, y)
            ww = ww - 0.1 * torch.func.grad(loss)(ww, x, y)
            return loss(ww, x, y)

        return torch.func.vmap(one)(X, Y).mean()

    return [torch.func.vmap(inner)(X, Y), torch.func.grad(outer)(W), torch.func.hessian(outer)(W)]


@case
def grad_args(torch):
    return [
        torch.func.grad(lambda x, y: (x * y).sum(), argnums=1)(wave(torch, 2), wave(torch, 2, s=1)),
        torch.func.grad(lambda x, y: (x * y * y).sum(), argnums=(0, 1))(wave(torch, 2), wave(torch, 2, s=1)),
        torch.func.grad(lambda x: ((x**2).sum(), x * 2), has_aux=True)(wave(torch, 2)),
        torch.func.grad_and_value(lambda x: ((x**2).sum(), x * 2), has_aux=True)(wave(torch, 2)),
    ]


@case
def grad_dict(torch):
    return torch.func.grad(lambda d: (d["a"] * d["b"][0]).sum())({"a": wave(torch, 2), "b": [wave(torch, 2, s=1)]})


@case
def grad_rg(torch):
    w = leaf(torch, 1.0, 2.0)
    g = torch.func.grad(lambda x: (x * x * w).sum())(wave(torch, 2))
    return [
        g.requires_grad,
        torch.func.grad(lambda x: (x * x).sum())(wave(torch, 2)).requires_grad,
        torch.func.grad(lambda x: (x * x).sum())(w).requires_grad,
        torch.autograd.grad(g.sum(), w),
    ]


@case
def grad_nograd(torch):
    with torch.no_grad():
        g = torch.func.grad(lambda x: (x**3).sum())(wave(torch, 2))
    return [g, g.requires_grad]


@case
def grad_nongrad_in(torch):

    def f(x):
        with torch.no_grad():
            c = x**2
        return (x * c).sum()

    return torch.func.grad(f)(wave(torch, 2))


@case
def perturbation(torch):
    return torch.func.grad(lambda x: x * torch.func.grad(lambda y: x * y)(torch.tensor(2.0, dtype=torch.float64)))(
        torch.tensor(3.0, dtype=torch.float64)
    )


@case
def vjp_tree(torch):
    o, f = torch.func.vjp(
        lambda d, y: {"s": d["x"].sin() * y, "c": (d["x"] * y).sum()}, {"x": wave(torch, 3)}, wave(torch, 3, s=2)
    )
    return [o, f({"s": wave(torch, 3), "c": torch.tensor(2.0, dtype=torch.float64)})]


@case
def vjp_aux(torch):
    o, f, a = torch.func.vjp(lambda x: (x.sin(), x.cos()), wave(torch, 3), has_aux=True)
    return [o, f(wave(torch, 3)), a]


@case
def vjp_vmap(torch):
    _o, f = torch.func.vjp(lambda x: x.sin() * x.sum(), wave(torch, 3))
    return torch.func.vmap(f)(torch.eye(3, dtype=torch.float64))


@case
def jvp_cases(torch):
    return [
        torch.func.jvp(
            lambda x, y: (x * y, x.sum()), (wave(torch, 3), wave(torch, 3, s=1)), (wave(torch, 3, s=2), wave(torch, 3, s=3))
        ),
        torch.func.jvp(lambda x: (x.sin(), x), (wave(torch, 3),), (wave(torch, 3),), has_aux=True),
    ]


@case
def jvp_nested(torch):
    return torch.func.jvp(
        lambda x: torch.func.jvp(torch.sin, (x,), (torch.ones_like(x),))[1], (wave(torch, 3),), (wave(torch, 3, s=1),)
    )


@case
def jvp_grad(torch):
    f = lambda x: (x**4).sum()
    return [
        torch.func.jvp(torch.func.grad(f), (wave(torch, 3),), (wave(torch, 3, s=1),)),
        torch.func.vjp(torch.func.grad(f), wave(torch, 3))[1](wave(torch, 3, s=1)),
        torch.func.grad(lambda x: torch.func.jvp(f, (x,), (wave(torch, 3, s=1),))[1])(wave(torch, 3)),
    ]


@case
def jvp_vmap(torch):
    return torch.func.vmap(lambda x, t: torch.func.jvp(lambda a: a.tanh().cumsum(0), (x,), (t,)))(
        wave(torch, 4, 3), wave(torch, 4, 3, s=1)
    )


@case
def jac(torch):
    f = lambda x: (x @ wave(torch, 3, 4)).tanh()
    return [
        torch.func.jacrev(f)(wave(torch, 3)),
        torch.func.jacfwd(f)(wave(torch, 3)),
        torch.func.jacrev(f)(wave(torch, 2, 3)),
        torch.func.jacfwd(f)(wave(torch, 2, 3)),
        torch.func.jacrev(f, chunk_size=2)(wave(torch, 3)),
    ]


@case
def jac_tree(torch):
    f = lambda x, y: {"a": x * y, "b": (x.sum() * y,)}
    return [
        torch.func.jacrev(f, argnums=(0, 1))(wave(torch, 2), wave(torch, 2, s=1)),
        torch.func.jacfwd(f, argnums=(0, 1))(wave(torch, 2), wave(torch, 2, s=1)),
        torch.func.jacrev(lambda d: d["x"] ** 2)({"x": wave(torch, 2)}),
        torch.func.jacfwd(lambda d: d["x"] ** 2)({"x": wave(torch, 2)}),
    ]


@case
def jac_aux(torch):
    f = lambda x: (x**2, x.sum())
    return [torch.func.jacrev(f, has_aux=True)(wave(torch, 2)), torch.func.jacfwd(f, has_aux=True)(wave(torch, 2))]


@case
def jac_batch(torch):
    f = lambda x: (x @ wave(torch, 3, 2)).sin()
    return [torch.func.vmap(torch.func.jacrev(f))(wave(torch, 4, 3)), torch.func.vmap(torch.func.jacfwd(f))(wave(torch, 4, 3))]


@case
def jac_const(torch):
    return [
        torch.func.jacrev(lambda x: torch.ones(2, dtype=torch.float64))(wave(torch, 3)),
        torch.func.jacfwd(lambda x: torch.ones(2, dtype=torch.float64))(wave(torch, 3)),
    ]


@case
def hess(torch):
    f = lambda x: (x.sin() * x.roll(1)).sum() * x.prod()
    return [
        torch.func.hessian(f)(wave(torch, 3)),
        torch.func.jacfwd(torch.func.jacrev(f))(wave(torch, 3)),
        torch.func.jacrev(torch.func.jacfwd(f))(wave(torch, 3)),
        torch.func.jacrev(torch.func.jacrev(f))(wave(torch, 3)),
        torch.func.jacfwd(torch.func.jacfwd(f))(wave(torch, 3)),
        torch.func.vmap(torch.func.hessian(f))(wave(torch, 2, 3)),
    ]


@case
def hess_net(torch):
    m = net(torch)
    p = {k: v.detach() for k, v in m.named_parameters()}
    return torch.func.hessian(lambda p: torch.func.functional_call(m, p, (wave(torch, 2, 3),)).pow(2).sum())(p)


@case
def hess_args(torch):
    return torch.func.hessian(lambda x, y: (x * x * y).sum(), argnums=(0, 1))(wave(torch, 2), wave(torch, 2, s=1))


@case
def laplacian(torch):
    return torch.func.vmap(lambda x: torch.trace(torch.func.hessian(lambda a: torch.sin(wave(torch, 4, 3) @ a).sum())(x)))(
        wave(torch, 5, 3)
    )


@case
def divergence(torch):
    f = lambda x: torch.tanh(wave(torch, 3, 3) @ x)
    return torch.func.vmap(lambda x: torch.func.jacrev(f)(x).diagonal().sum())(wave(torch, 5, 3))


@case
def linearize_(torch):
    o, f = torch.func.linearize(lambda x: (x.sin(), x * 2), wave(torch, 3))
    return [o, f(wave(torch, 3, s=1))]


@case
def fc_errs(torch):
    m = net(torch)
    torch.func.functional_call(m, {"nope": wave(torch, 2)}, (wave(torch, 1, 3),))


@case
def fc_strict(torch):
    torch.func.functional_call(net(torch), {"0.weight": wave(torch, 4, 3)}, (wave(torch, 1, 3),), strict=True)


@case
def fc_tied(torch):

    class N(torch.nn.Module):
        def __init__(s):
            super().__init__()
            s.a = torch.nn.Linear(2, 2, bias=False).double()
            s.b = torch.nn.Linear(2, 2, bias=False).double()
            s.b.weight = s.a.weight

        def forward(s, x, k=1):
            return s.b(s.a(x)) * k

    m = N()
    return [
        torch.func.functional_call(m, {"a.weight": wave(torch, 2, 2)}, (wave(torch, 1, 2),)),
        torch.func.functional_call(m, {"a.weight": wave(torch, 2, 2)}, wave(torch, 1, 2), {"k": 3}),
        torch.func.functional_call(
            m, ({"a.weight": wave(torch, 2, 2)}, {"b.weight": wave(torch, 2, 2, s=1)}), (wave(torch, 1, 2),), tie_weights=False
        ),
    ]


@case
def fc_dup(torch):
    torch.func.functional_call(
        net(torch), ({"0.weight": wave(torch, 4, 3)}, {"0.weight": wave(torch, 4, 3)}), (wave(torch, 1, 3),)
    )


@case
def fc_buffers(torch):
    m = torch.nn.BatchNorm1d(2).double()
    b = {k: v.clone() for k, v in m.named_buffers()}
    torch.func.functional_call(m, b, (wave(torch, 4, 2),))
    return [b, m.running_mean]


@case
def fc_grad(torch):
    m = net(torch)
    x = wave(torch, 2, 3)
    p = {k: v.detach().clone().requires_grad_() for k, v in m.named_parameters()}
    torch.func.functional_call(m, p, (x,)).sum().backward()
    return [{k: v.grad for k, v in p.items()}, m[0].weight.grad]


@case
def grad_errs1(torch):
    torch.func.grad(lambda x: x)(wave(torch, 3))


@case
def grad_errs2(torch):
    torch.func.grad(lambda x: (x.sum(), 1))(wave(torch, 3))


@case
def grad_errs3(torch):
    torch.func.grad(lambda x: x.sum(), argnums=2)(wave(torch, 3))


@case
def grad_errs4(torch):
    torch.func.grad(lambda x: x.sum())(3.0)


@case
def vjp_err(torch):
    torch.func.vjp(lambda x: 3, wave(torch, 2))


@case
def jvp_err(torch):
    torch.func.jvp(lambda x: x, wave(torch, 2), wave(torch, 2))


@case
def jvp_ops(torch):
    return [
        torch.func.jvp(f, (wave(torch, 3, 3),), (wave(torch, 3, 3, s=1),))[1]
        for f in (
            lambda x: torch.nn.functional.layer_norm(x, (3,)),
            torch.logsumexp if False else lambda x: x.logsumexp(0),
            lambda x: torch.linalg.inv(x + 3 * torch.eye(3, dtype=torch.float64)),
            lambda x: x.sort(0)[0],
            lambda x: x.cumprod(0),
            lambda x: torch.nn.functional.gelu(x),
            lambda x: x.std(),
            lambda x: torch.einsum("ij,jk->ik", x, x),
            lambda x: torch.nn.functional.cross_entropy(x, torch.tensor([0, 1, 2])),
            lambda x: x.norm(),
            lambda x: torch.where(x > 0, x, x * 2),
            lambda x: x[torch.tensor([0, 0, 2])],
            lambda x: torch.nn.functional.batch_norm(x, None, None, training=True),
        )
    ]
