"""What PyTorch programs do with autograd: modes, hooks, edges, their own Functions, errors.

Each case takes the library, minigrad or PyTorch, and returns numbers; an error is compared by its type and words.
"""

from cases_of_autograd import case_table, leaf, plain

CASES, case = case_table()


@case
def mode_generator(torch):

    @torch.no_grad()
    def g():
        a = torch.is_grad_enabled()
        r = yield a
        yield (torch.is_grad_enabled(), r)

    it = g()
    a = next(it)
    mid = torch.is_grad_enabled()
    b = it.send(5)
    return [a, mid, b, torch.is_grad_enabled()]


@case
def mode_set_grad_fn(torch):
    torch.set_grad_enabled(False)
    a = torch.is_grad_enabled()
    torch.set_grad_enabled(True)

    @torch.set_grad_enabled(False)
    def f():
        return torch.is_grad_enabled()

    b = torch.is_grad_enabled()
    return [a, b, f(), torch.is_grad_enabled()]


@case
def mode_enable_dec(torch):

    @torch.enable_grad()
    def f(x):
        return (x * 2).requires_grad

    with torch.no_grad():
        return f(leaf(torch, 1.0))


@case
def mode_inference_dec_false(torch):

    @torch.inference_mode(False)
    def f(x):
        return (x * 2).requires_grad

    return f(leaf(torch, 1.0))


@case
def err_second(torch):
    x = leaf(torch, 1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    y.backward()


@case
def err_norg(torch):
    torch.ones(1).backward()


@case
def err_scalar(torch):
    (leaf(torch, 1.0, 2.0) * 2).backward()


@case
def err_inplace(torch):
    x = leaf(torch, 1.0, 2.0)
    h = x * 2
    y = h * h
    h += 1
    y.sum().backward()


@case
def err_leaf(torch):
    x = leaf(torch, 1.0, 2.0)
    x += 1


@case
def err_leafview(torch):
    x = leaf(torch, 1.0, 2.0)
    x[0] = 1


@case
def err_leafview2(torch):
    x = leaf(torch, 1.0, 2.0)
    v = x.view(2, 1)
    v.mul_(2)


@case
def err_int_rg(torch):
    torch.tensor([1, 2], requires_grad=True)


@case
def err_int_rg_(torch):
    torch.tensor([1, 2]).requires_grad_()


@case
def err_int_set(torch):
    t = torch.tensor([1, 2])
    t.requires_grad = True


@case
def err_rg_nonleaf(torch):
    y = leaf(torch, 1.0) * 2
    y.requires_grad_(False)


@case
def err_rg_nonleaf_set(torch):
    y = leaf(torch, 1.0) * 2
    y.requires_grad = False


@case
def err_unused(torch):
    torch.autograd.grad((leaf(torch, 1.0) * 2).sum(), leaf(torch, 1.0))


@case
def err_nograd_input(torch):
    torch.autograd.grad((leaf(torch, 1.0) * 2).sum(), leaf(torch, 1.0, rg=False))


@case
def err_gradshape(torch):
    (leaf(torch, 1.0, 2.0) * 2).backward(torch.ones(3, dtype=torch.float64))


@case
def err_assign_grad_shape(torch):
    x = leaf(torch, 1.0, 2.0)
    x.grad = torch.ones(3, dtype=torch.float64)


@case
def err_assign_grad_dtype(torch):
    x = leaf(torch, 1.0, 2.0)
    x.grad = torch.ones(2)


@case
def err_assign_grad_type(torch):
    x = leaf(torch, 1.0, 2.0)
    x.grad = 3


@case
def err_assign_self(torch):
    x = leaf(torch, 1.0, 2.0, rg=False)
    x.grad = x


@case
def err_retain_norg(torch):
    leaf(torch, 1.0, rg=False).retain_grad()


@case
def err_hook_norg(torch):
    leaf(torch, 1.0, rg=False).register_hook(lambda g: g)


@case
def err_post_nonleaf(torch):
    (leaf(torch, 1.0) * 2).register_post_accumulate_grad_hook(lambda t: None)


@case
def err_backward_empty_inputs(torch):
    (leaf(torch, 1.0) * 2).sum().backward(inputs=[])


@case
def err_backward_nonrg_inputs(torch):
    (leaf(torch, 1.0) * 2).sum().backward(inputs=[leaf(torch, 1.0, rg=False)])


@case
def err_num_grads(torch):
    torch.autograd.backward([leaf(torch, 1.0) * 2, leaf(torch, 1.0) * 2], [torch.ones(1, dtype=torch.float64)])


@case
def err_hook_none_type(torch):
    x = leaf(torch, 1.0)
    h = x * 2
    h.register_hook(lambda g: 5)
    h.sum().backward()


@case
def err_hook_shape(torch):
    x = leaf(torch, 1.0)
    h = x * 2
    h.register_hook(lambda g: torch.ones(3, dtype=torch.float64))
    h.sum().backward()


@case
def err_expand_write(torch):
    torch.ones(1).expand(3).add_(1)


@case
def err_nograd_view_write(torch):
    b = leaf(torch, 1.0, 2.0) * 2
    with torch.no_grad():
        v = b[0:1]
    v.add_(1)


@case
def err_detach_view(torch):
    x = leaf(torch, 1.0, 2.0) * 1
    v = x.view(2)
    v.detach_()


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

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

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

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

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

    class A(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

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
