"""Variables of old programs, and small programs: gradient penalty, meta-learning, third order.

Each case takes the library, minigrad or PyTorch, and returns numbers; an error is compared by its type and words.
"""

from .common import case_table, leaf

CASES, case = case_table()


@case
def variable(torch):
    Variable = torch.autograd.Variable
    x = Variable(torch.ones(2), requires_grad=True)
    y = (x * 2).sum()
    y.backward()
    v = Variable(torch.ones(2))
    return [x.grad, isinstance(x, torch.Tensor), isinstance(torch.ones(1), Variable), v.requires_grad, x.data.tolist()]


@case
def variable_volatile(torch):
    Variable = torch.autograd.Variable
    return [Variable(torch.ones(2), volatile=True).requires_grad]


@case
def variable_of_rg(torch):
    Variable = torch.autograd.Variable
    x = leaf(torch, 1.0)
    y = x * 2
    v = Variable(y)
    return [v.requires_grad, v.is_leaf]


@case
def variable_shares(torch):
    Variable = torch.autograd.Variable
    a = torch.zeros(2)
    v = Variable(a)
    v.add_(1)
    return a


@case
def anomaly_flag(torch):
    a = torch.is_anomaly_enabled()
    with torch.autograd.detect_anomaly():
        b = torch.is_anomaly_enabled()
    return [a, b, torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()]


@case
def zero_grad_flow(torch):
    x = leaf(torch, 1.0, 2.0)
    (x * 2).sum().backward()
    g = x.grad
    x.grad.zero_()
    (x * 3).sum().backward()
    return [x.grad is g, g]


@case
def gp(torch):
    torch.manual_seed(0)
    w = torch.tensor([[0.1, 0.2], [0.3, -0.4]], dtype=torch.float64, requires_grad=True)
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    d = torch.tanh(x @ w).sum(1, keepdim=True)
    g = torch.autograd.grad(
        outputs=d, inputs=x, grad_outputs=torch.ones_like(d), create_graph=True, retain_graph=True, only_inputs=True
    )[0]
    p = ((g.norm(2, dim=1) - 1) ** 2).mean()
    p.backward()
    return [p, w.grad, x.grad]


@case
def maml(torch):
    w = leaf(torch, 1.0, 2.0)
    x = leaf(torch, 0.5, 0.3, rg=False)
    ws = w
    for _ in range(3):
        loss_ = ((ws * x).tanh() ** 2).sum()
        (g,) = torch.autograd.grad(loss_, ws, create_graph=True)
        ws = ws - 0.1 * g
    loss_ = (ws**2).sum()
    loss_.backward()
    return w.grad


@case
def siren(torch):
    W = torch.tensor([[0.3, 0.2], [0.1, 0.7]], dtype=torch.float64, requires_grad=True)
    x = torch.tensor([[0.5, 0.2], [0.3, 0.9]], dtype=torch.float64, requires_grad=True)
    y = torch.sin(30 * (torch.sin(30 * x @ W) @ W)).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    lap = 0
    for i in range(2):
        lap = lap + torch.autograd.grad(g[:, i].sum(), x, create_graph=True)[0][:, i]
    (gg,) = torch.autograd.grad(lap.sum(), x, create_graph=True)
    loss_ = (lap**2).mean() + (gg**2).mean()
    loss_.backward()
    return [g, lap, gg, W.grad]


@case
def hvp(torch):
    x = leaf(torch, 1.0, 2.0, 3.0)
    v = leaf(torch, 1.0, 0.0, 2.0, rg=False)
    y = (x**3).sum() * x.prod()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    return torch.autograd.grad((g * v).sum(), x)


@case
def backward_variables(torch):
    x, y = (leaf(torch, 1.0), leaf(torch, 2.0))
    torch.autograd.backward([x * 2, y * 3], grad_tensors=[torch.ones(1, dtype=torch.float64)] * 2)
    return [x.grad, y.grad]


@case
def backward_gv(torch):
    x = leaf(torch, 1.0)
    torch.autograd.backward([x * 2], grad_variables=[torch.ones(1, dtype=torch.float64)])
    return [x.grad]


@case
def grad_setter_fns(torch):
    x = leaf(torch, 1.0, 2.0)
    x.grad = torch.ones(2, dtype=torch.float64)
    (x * 2).sum().backward()
    a = x.grad.clone()
    del x.grad
    return [a, x.grad]


@case
def grad_shared(torch):
    x = leaf(torch, 1.0, 2.0)
    g = torch.ones(2, dtype=torch.float64)
    x.grad = g
    (x * 2).sum().backward()
    return [g, x.grad is g]


@case
def requires_grad_method(torch):
    x = torch.ones(2)
    return [x.requires_grad_() is x, x.requires_grad, x.requires_grad_(False).requires_grad]


@case
def set_rg_inside_nograd(torch):
    with torch.no_grad():
        x = torch.ones(2, requires_grad=True)
        y = x * 2
    return [x.requires_grad, y.requires_grad, y.is_leaf]


@case
def mark_dirty_view(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    v = y[0:1]
    v.mul_(5)
    y.sum().backward()
    return x.grad


@case
def inplace_names(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 1
    y[0] = 5.0
    return [y.grad_fn.name()]


@case
def stop_grad_where(torch):
    x = leaf(torch, 0.0, 1.0)
    y = torch.where(x > 0, x.log(), torch.zeros_like(x))
    y.sum().backward()
    return x.grad
