"""``torch.autograd.functional``, dual numbers and checkpoints.

Each case takes the library, minigrad or PyTorch, and returns numbers; an error is compared by its type and words.
"""

from .common import case_table, leaf, net, wave

CASES, case = case_table()


def f2(x, y):
    return (x.exp() * y).sum()


def blk(x, w):
    return (x @ w).tanh()


@case
def af_jac(torch):
    f = lambda x: x.exp().sum(1)
    g = lambda x, y: (x * y, x.sum())
    return [
        torch.autograd.functional.jacobian(f, wave(torch, 2, 2)),
        torch.autograd.functional.jacobian(g, (wave(torch, 2), wave(torch, 2, s=1))),
        torch.autograd.functional.jacobian(f, wave(torch, 2, 2), vectorize=True),
        torch.autograd.functional.jacobian(g, (wave(torch, 2), wave(torch, 2, s=1)), vectorize=True, strategy="forward-mode"),
        torch.autograd.functional.jacobian(f, wave(torch, 2, 2), create_graph=True).requires_grad,
    ]


@case
def af_jac_rg(torch):
    x = leaf(torch, 1.0, 2.0)
    j = torch.autograd.functional.jacobian(lambda x: x**3, x, create_graph=True)
    return [j.requires_grad, torch.autograd.grad(j.sum(), x)]


@case
def af_hess(torch):
    return [
        torch.autograd.functional.hessian(lambda x: x.pow(3).sum(), wave(torch, 2, 2)),
        torch.autograd.functional.hessian(f2, (wave(torch, 2), wave(torch, 2, s=1))),
        torch.autograd.functional.hessian(f2, (wave(torch, 2), wave(torch, 2, s=1)), vectorize=True),
        torch.autograd.functional.hessian(
            f2, (wave(torch, 2), wave(torch, 2, s=1)), vectorize=True, outer_jacobian_strategy="forward-mode"
        ),
    ]


@case
def af_prods(torch):
    x, y, v = (wave(torch, 2), wave(torch, 2, s=1), (wave(torch, 2, s=2), wave(torch, 2, s=3)))
    return [
        torch.autograd.functional.vjp(f2, (x, y)),
        torch.autograd.functional.vjp(lambda x: x**2, x, v[0]),
        torch.autograd.functional.jvp(lambda x, y: x * y, (x, y), v),
        torch.autograd.functional.vhp(f2, (x, y), v),
        torch.autograd.functional.hvp(f2, (x, y), v),
        torch.autograd.functional.hvp(lambda x: (x**3).sum(), x, v[0]),
    ]


@case
def af_vjp_err(torch):
    torch.autograd.functional.vjp(lambda x: x**2, wave(torch, 2))


@case
def af_v_shape(torch):
    torch.autograd.functional.vjp(lambda x: x**2, wave(torch, 2), wave(torch, 3))


@case
def af_strict(torch):
    torch.autograd.functional.jacobian(lambda x: torch.ones(2, dtype=torch.float64), wave(torch, 2), strict=True)


@case
def af_strict2(torch):
    torch.autograd.functional.hvp(lambda x: x.sum(), wave(torch, 2), wave(torch, 2), strict=True)


@case
def af_strict3(torch):
    torch.autograd.functional.vjp(lambda x, y: x * 2, (wave(torch, 2), wave(torch, 2)), wave(torch, 2), strict=True)


@case
def af_indep(torch):
    return [
        torch.autograd.functional.jacobian(lambda x, y: x * 2, (wave(torch, 2), wave(torch, 2))),
        torch.autograd.functional.hessian(lambda x: x.sum(), wave(torch, 2)),
        torch.autograd.functional.hvp(lambda x: x.sum(), wave(torch, 2), wave(torch, 2)),
    ]


@case
def af_type_err(torch):
    torch.autograd.functional.jacobian(lambda x: x, [1, 2])


@case
def af_out_err(torch):
    torch.autograd.functional.jacobian(lambda x: 3, wave(torch, 2))


@case
def af_hess_err(torch):
    torch.autograd.functional.hessian(lambda x: x, wave(torch, 2))


@case
def af_relu(torch):
    return [
        torch.autograd.functional.hessian(lambda x: torch.nn.functional.relu(x).sum(), wave(torch, 3)),
        torch.autograd.functional.hessian(lambda x: torch.nn.functional.leaky_relu(x).pow(2).sum(), wave(torch, 3)),
        torch.autograd.functional.jacobian(lambda x: x.abs(), wave(torch, 3)),
        torch.autograd.functional.hessian(lambda x: x.abs().sum(), wave(torch, 3)),
    ]


@case
def cp(torch):
    r = []
    for re in (True, False):
        x = wave(torch, 2, 3).requires_grad_()
        w = wave(torch, 3, 3).requires_grad_()
        y = torch.utils.checkpoint.checkpoint(blk, x, w, use_reentrant=re)
        y = torch.utils.checkpoint.checkpoint(blk, y, w, use_reentrant=re)
        y.pow(2).sum().backward()
        r += [y, x.grad, w.grad]
    return r


@case
def cp_closure(torch):
    m = net(torch)
    x = wave(torch, 2, 3)
    y = torch.utils.checkpoint.checkpoint(m, x, use_reentrant=False)
    y.sum().backward()
    return [p.grad for p in m.parameters()]


@case
def cp_count(torch):
    n = [0]

    def f(x):
        n[0] += 1
        return x.sin().exp()

    x = wave(torch, 3).requires_grad_()
    y = torch.utils.checkpoint.checkpoint(f, x, use_reentrant=False).sum()
    a = n[0]
    y.backward()
    return [a, n[0], x.grad]


@case
def cp_kwargs(torch):
    x = wave(torch, 3).requires_grad_()
    y = torch.utils.checkpoint.checkpoint(
        lambda x, k=1, t=None: (x * x * k + t, {"a": x.sin()}), x, k=3, t=wave(torch, 3), use_reentrant=False
    )
    (y[0] + y[1]["a"]).sum().backward()
    return x.grad


@case
def cp_kwargs_err(torch):
    torch.utils.checkpoint.checkpoint(lambda x, k=1: x * k, wave(torch, 3), k=3, use_reentrant=True)


@case
def cp_grad(torch):
    x = wave(torch, 3).requires_grad_()
    y = torch.utils.checkpoint.checkpoint(lambda x: (x**3).sum(), x, use_reentrant=False)
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    return [g, torch.autograd.grad(g.sum(), x)]


@case
def cp_nested(torch):
    x = wave(torch, 3).requires_grad_()
    f = lambda x: torch.utils.checkpoint.checkpoint(torch.sin, x, use_reentrant=False) * 2
    y = torch.utils.checkpoint.checkpoint(f, x, use_reentrant=False).exp()
    y.sum().backward()
    return x.grad


@case
def cp_seq(torch):
    m = torch.nn.Sequential(*[torch.nn.Linear(3, 3) for _ in range(4)]).double()
    with torch.no_grad():
        for i, p in enumerate(m.parameters()):
            p.copy_(wave(torch, *p.shape, s=i))
    r = []
    for re in (True, False):
        m.zero_grad()
        x = wave(torch, 2, 3).requires_grad_()
        y = torch.utils.checkpoint.checkpoint_sequential(m, 2, x, use_reentrant=re)
        y.sum().backward()
        r += [y, x.grad] + [p.grad for p in m.parameters()]
    return r


@case
def cp_context(torch):

    s = []

    class C:
        def __init__(c, n):
            c.n = n

        def __enter__(c):
            s.append(c.n)

        def __exit__(c, *a):
            s.append("/" + c.n)

    x = wave(torch, 3).requires_grad_()
    torch.utils.checkpoint.checkpoint(torch.sin, x, use_reentrant=False, context_fn=lambda: (C("f"), C("r"))).sum().backward()
    return s


@case
def cp_nograd(torch):
    with torch.no_grad():
        return torch.utils.checkpoint.checkpoint(torch.sin, wave(torch, 3), use_reentrant=False)


@case
def cp_train(torch):
    m = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.LayerNorm(4), torch.nn.Linear(4, 1)).double()
    with torch.no_grad():
        for i, p in enumerate(m.parameters()):
            p.copy_(wave(torch, *p.shape, s=i))
    o = torch.optim.SGD(m.parameters(), lr=0.1)
    loss_ = []
    for i in range(3):
        o.zero_grad()
        y = torch.utils.checkpoint.checkpoint(m, wave(torch, 4, 3, s=i), use_reentrant=False).pow(2).mean()
        y.backward()
        o.step()
        loss_.append(y.item())
    return loss_


@case
def cp_early(torch):
    n = [0]

    def f(x):
        a = x.sin()
        n[0] += 1
        b = a.exp()
        n[0] += 1
        return b + 1

    x = wave(torch, 3).requires_grad_()
    torch.utils.checkpoint.checkpoint(f, x, use_reentrant=False).sum().backward()
    return x.grad


@case
def fa_many(torch):
    fw = torch.autograd.forward_ad
    m = net(torch)
    with fw.dual_level():
        d = fw.make_dual(wave(torch, 2, 3), wave(torch, 2, 3, s=4))
        y = m(d)
        t = fw.unpack_dual(y).tangent
        z = fw.unpack_dual(torch.nn.functional.softmax(d, -1).log().max(1)[0]).tangent
        q = fw.unpack_dual(torch.nn.functional.conv1d(d[None], wave(torch, 1, 2, 2))).tangent
        c = fw.unpack_dual(torch.cat([d, d * 2])[1:]).tangent
        fw.unpack_dual(d.double().float().double()).tangent
    return [t.detach(), z, q, c]


@case
def fa_err(torch):
    fw = torch.autograd.forward_ad
    fw.make_dual(wave(torch, 2), wave(torch, 2))
