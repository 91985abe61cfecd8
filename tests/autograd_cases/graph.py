"""Leaves, nodes, hooks and edges of the graph, and what grad() and backward() take.

Each case takes the library, minigrad or PyTorch, and returns numbers; an error is compared by its type and words.
"""

from .common import case_table, leaf, plain

CASES, case = case_table()


@case
def detach_(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    z = y.detach_()
    return [z is y, y.is_leaf, y.requires_grad, y.grad_fn is None]


@case
def leafness(torch):
    x = leaf(torch, 1.0)
    return [x.is_leaf, (x * 1).is_leaf, x.detach().is_leaf, x.data.requires_grad, x.clone().is_leaf, torch.ones(1).is_leaf]


@case
def next_functions(torch):
    x = leaf(torch, 1.0)
    y = (x * 2 + x).sum()
    f = y.grad_fn
    return [
        f.name(),
        [n[0].name() for n in f.next_functions],
        [[m[0].name() if m[0] else None, m[1]] for m in f.next_functions[0][0].next_functions],
    ]


@case
def acc_variable(torch):
    x = leaf(torch, 1.0)
    y = x * 2
    a = y.grad_fn.next_functions[0][0]
    return [a.name(), a.variable is x]


@case
def node_hooks(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    z = y.sum()
    seen = []
    y.grad_fn.register_hook(lambda gi, go: seen.append(plain([gi, go])))
    y.grad_fn.register_prehook(lambda go: (go[0] * 3,))
    z.backward()
    return [x.grad, seen]


@case
def node_hook_replace(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y.grad_fn.register_hook(lambda gi, go: tuple(g * 10 if g is not None else None for g in gi))
    y.sum().backward()
    return x.grad


@case
def node_metadata(torch):
    y = leaf(torch, 1.0) * 2
    y.grad_fn.metadata["a"] = 1
    return y.grad_fn.metadata


@case
def saved_attrs(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * x
    f = y.grad_fn
    return [f._saved_self, f._saved_other]


@case
def saved_exp(torch):
    y = leaf(torch, 1.0, 2.0).exp()
    return [y.grad_fn._saved_result]


@case
def saved_pow(torch):
    y = leaf(torch, 1.0, 2.0) ** 3
    return [y.grad_fn._saved_exponent, y.grad_fn._saved_self]


@case
def hooks_order(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    s = []
    y.register_hook(lambda g: s.append(("a", plain(g))))
    y.register_hook(lambda g: g * 3)
    y.register_hook(lambda g: s.append(("b", plain(g))))
    y.retain_grad()
    y.sum().backward()
    return [s, y.grad, x.grad]


@case
def hook_then_inplace(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    s = []
    y.register_hook(lambda g: s.append(plain(g)))
    y.mul_(3)
    y.register_hook(lambda g: s.append(("after", plain(g))))
    y.sum().backward()
    return [s, x.grad]


@case
def retain_inplace(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    (y * 5).sum().backward()
    return [y.grad, x.grad]


@case
def post_hook(torch):
    x = leaf(torch, 1.0)
    s = []
    h = x.register_post_accumulate_grad_hook(lambda t: (s.append(plain(t.grad)), setattr(t, "grad", None))[1])
    (x * 3).sum().backward()
    r = [s[:], x.grad]
    h.remove()
    (x * 3).sum().backward()
    return r + [x.grad]


@case
def hook_dict_handle(torch):
    x = leaf(torch, 1.0)
    h = x.register_hook(lambda g: g * 2)
    with h:
        pass
    (x * 1).sum().backward()
    return [x.grad, isinstance(h.id, int)]


@case
def multi_grad_hook(torch):
    a, b = (leaf(torch, 1.0), leaf(torch, 2.0))
    s = []
    h = torch.autograd.graph.register_multi_grad_hook([a, b], lambda gs: s.append(plain(list(gs))))
    (a * 2 + b * 3).sum().backward()
    [list(s)]
    (a * 2).sum().backward()
    h.remove()
    return [s]


@case
def multi_grad_hook_any(torch):
    a, b = (leaf(torch, 1.0), leaf(torch, 2.0))
    s = []
    torch.autograd.graph.register_multi_grad_hook([a, b], lambda g: s.append(plain(g)), mode="any")
    (a * 2 + b * 3).sum().backward()
    return len(s)


@case
def batched(torch):
    x = leaf(torch, 1.0, 2.0, 3.0)
    y = x**2
    return torch.autograd.grad(y, x, torch.eye(3, dtype=torch.float64), is_grads_batched=True)


@case
def batched_net(torch):
    w = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    x = leaf(torch, 1.0, 2.0)
    y = torch.tanh(w @ x)
    return torch.autograd.grad(y, [w, x], torch.eye(2, dtype=torch.float64), is_grads_batched=True)


@case
def materialize(torch):
    x, z = (leaf(torch, 1.0), leaf(torch, 2.0))
    return torch.autograd.grad((x * 2).sum(), [x, z], materialize_grads=True)


@case
def materialize_conflict(torch):
    x, z = (leaf(torch, 1.0), leaf(torch, 2.0))
    return torch.autograd.grad((x * 2).sum(), [x, z], materialize_grads=True, allow_unused=False)


@case
def unused_none(torch):
    x, z = (leaf(torch, 1.0), leaf(torch, 2.0))
    return torch.autograd.grad((x * 2).sum(), [x, z], allow_unused=True)


@case
def create_graph_accum(torch):
    x = leaf(torch, 2.0, 3.0)
    (x**3).sum().backward(create_graph=True)
    g = x.grad
    r = [g.requires_grad, g]
    (g**2).sum().backward()
    return r + [x.grad, x.grad.requires_grad]


@case
def grads_multi_out(torch):
    x = leaf(torch, 2.0)
    return torch.autograd.grad([x * 2, x**2], [x], [torch.ones(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64) * 3])


@case
def grad_intermediate(torch):
    x = leaf(torch, 1.0, 2.0)
    h = x.sin()
    y = (h * h).sum()
    (gh,) = torch.autograd.grad(y, h, create_graph=True)
    (ghx,) = torch.autograd.grad(gh.sum(), x)
    return [gh, ghx]


@case
def grad_edge(torch):
    x = leaf(torch, 1.0, 2.0)
    h = x * 2
    e = torch.autograd.graph.get_gradient_edge(h)
    r = [e.node.name(), e.output_nr]
    (g,) = torch.autograd.grad((h * h).sum(), [e])
    return r + [g]


@case
def grad_edge_out(torch):
    x = leaf(torch, 1.0, 2.0)
    h = (x * 2).sum()
    e = torch.autograd.graph.get_gradient_edge(h)
    return torch.autograd.grad(e, x)


@case
def backward_inputs_nonleaf(torch):
    x = leaf(torch, 2.0)
    h = x * 3
    (h * h).sum().backward(inputs=[h])
    return [h.grad, x.grad]


@case
def dict_inputs(torch):
    x = leaf(torch, 2.0)
    return torch.autograd.grad({"a": x * 2}["a"].sum(), (x,))


@case
def double_unused_none(torch):
    x = leaf(torch, 2.0)
    (g,) = torch.autograd.grad((x * 3).sum(), x, create_graph=True)
    return [g.requires_grad, g.grad_fn is None]


@case
def double_linear(torch):
    x, w = (leaf(torch, 2.0), leaf(torch, 3.0))
    (g,) = torch.autograd.grad((x * w).sum(), x, create_graph=True)
    return torch.autograd.grad(g.sum(), [x, w], allow_unused=True)


@case
def relu_double(torch):
    x = leaf(torch, 2.0, -1.0)
    (g,) = torch.autograd.grad(x.relu().sum(), x, create_graph=True)
    return [g.requires_grad]


@case
def backward_out_dtype(torch):
    x = torch.ones(2, requires_grad=True)
    y = x.double().sum()
    y.backward()
    return [str(x.grad.dtype)[-7:]]
