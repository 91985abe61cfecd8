"""Modes, and the errors of wrong calls.

Each case takes the library, minigrad or PyTorch, and returns numbers; an error is compared by its type and words.
"""

from .common import case_table, leaf

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
