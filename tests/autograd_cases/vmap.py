"""What PyTorch programs do with ``vmap``.

Each case takes the library, minigrad or PyTorch, and returns numbers; an error is compared by its type and words.
"""

from .common import case_table, wave

CASES, case = case_table()


@case
def vm_dims(torch):
    f = lambda a, b: (a * b, a.sum())
    return [
        torch.func.vmap(f, in_dims=(0, 1), out_dims=(1, 0))(wave(torch, 3, 2), wave(torch, 2, 3)),
        torch.func.vmap(lambda x: x, in_dims=-1)(wave(torch, 2, 3)),
        torch.func.vmap(lambda d: d["a"] * 2, in_dims=({"a": 1},))({"a": wave(torch, 2, 3)}),
        torch.func.vmap(lambda x: x * 2, out_dims=-1)(wave(torch, 2, 3)),
    ]


@case
def vm_nested(torch):
    return [
        torch.func.vmap(torch.func.vmap(lambda a, b: a @ b, (None, 0)), (0, None))(wave(torch, 3, 4), wave(torch, 5, 4)),
        torch.func.vmap(torch.func.vmap(torch.func.vmap(torch.mul)))(wave(torch, 2, 2, 2), wave(torch, 2, 2, 2)),
    ]


@case
def vm_chunk(torch):
    return torch.func.vmap(lambda x: (x.sum(), x * 2), chunk_size=2)(wave(torch, 5, 3))


@case
def vm_kwargs(torch):
    return torch.func.vmap(lambda x, k=2, t=None: x * k + t)(wave(torch, 3), k=3, t=torch.tensor(1.0, dtype=torch.float64))


@case
def vm_inplace(torch):

    def f(x):
        y = x.clone()
        y.add_(1)
        y[0] = 5.0
        z = x.new_zeros(3)
        z[1] = x.sum()
        z.mul_(x)
        y += z
        return y

    return torch.func.vmap(f)(wave(torch, 4, 3))


@case
def vm_inplace_grad(torch):

    def f(x):
        y = x * 1
        y[0] = y[1] * 2
        y.mul_(x)
        return y.sum()

    return [
        torch.func.vmap(torch.func.grad(f))(wave(torch, 4, 3)),
        torch.func.grad(lambda x: torch.func.vmap(f)(x).sum())(wave(torch, 4, 3)),
    ]


@case
def vm_index(torch):
    i = torch.tensor([[0, 2], [1, 1], [2, 0]])
    return [
        torch.func.vmap(lambda x, i: x[i])(wave(torch, 3, 4), i),
        torch.func.vmap(lambda i: wave(torch, 5)[i])(i),
        torch.func.vmap(lambda x, i: x.gather(0, i))(wave(torch, 3, 4), i),
        torch.func.vmap(lambda x: x[torch.tensor([0, 1])])(wave(torch, 3, 4)),
        torch.func.vmap(lambda x: x[..., 1:])(wave(torch, 3, 4)),
        torch.func.vmap(lambda x, i: x[:, i])(wave(torch, 3, 2, 4), i),
        torch.func.vmap(lambda x: x[x.argmax()])(wave(torch, 3, 4)),
    ]


@case
def vm_where(torch):
    return torch.func.vmap(lambda x: torch.where(x > 0, x, -x).clamp(max=0.5))(wave(torch, 3, 4))


@case
def vm_item(torch):
    torch.func.vmap(lambda x: x.sum().item())(wave(torch, 3, 2))


@case
def vm_if(torch):
    torch.func.vmap(lambda x: x if x.sum() > 0 else -x)(wave(torch, 3, 2))


@case
def vm_nonzero(torch):
    torch.func.vmap(lambda x: x.nonzero())(wave(torch, 3, 2))


@case
def vm_mask(torch):
    torch.func.vmap(lambda x: x[x > 0])(wave(torch, 3, 2))


@case
def vm_err_dim(torch):
    torch.func.vmap(lambda x: x, in_dims=2)(wave(torch, 3, 2))


@case
def vm_err_sizes(torch):
    torch.func.vmap(torch.add)(wave(torch, 3), wave(torch, 4))


@case
def vm_err_nontensor(torch):
    torch.func.vmap(lambda x, y: x * y)(wave(torch, 3), 2.0)


@case
def vm_err_ret(torch):
    torch.func.vmap(lambda x: 3)(wave(torch, 3))


@case
def vm_err_none(torch):
    torch.func.vmap(lambda x: x, in_dims=None)(wave(torch, 3))


@case
def vm_err_noin(torch):
    torch.func.vmap(lambda: 1)()


@case
def vm_err_struct(torch):
    torch.func.vmap(torch.add, in_dims=(0, 0, 0))(wave(torch, 3), wave(torch, 3))


@case
def vm_err_outdim(torch):
    torch.func.vmap(lambda x: x, out_dims=(0, 0))(wave(torch, 3))


@case
def vm_err_outnone(torch):
    torch.func.vmap(lambda x: x, out_dims=None)(wave(torch, 3))


@case
def vm_err_mode(torch):
    torch.func.vmap(lambda x: x, randomness="x")(wave(torch, 3))


@case
def vm_outnone(torch):
    return torch.func.vmap(lambda x: (x, wave(torch, 2)), out_dims=(0, None))(wave(torch, 3))


@case
def vm_mods(torch):
    loss_ = torch.nn.LayerNorm(3).double()
    e = torch.nn.Embedding(5, 3).double()
    a = torch.nn.MultiheadAttention(4, 2, batch_first=True).double()
    with torch.no_grad():
        for i, p in enumerate([*e.parameters(), *a.parameters()]):
            p.copy_(wave(torch, *p.shape, s=i))
    return [
        torch.func.vmap(loss_)(wave(torch, 4, 3)),
        torch.func.vmap(loss_)(wave(torch, 2, 4, 3)),
        torch.func.vmap(e)(torch.tensor([[0, 1], [2, 4]])),
        torch.func.vmap(lambda x: a(x, x, x)[0])(wave(torch, 3, 2, 5, 4)),
        torch.func.vmap(torch.nn.GroupNorm(2, 4).double())(wave(torch, 3, 2, 4, 3)),
        torch.func.vmap(lambda x: torch.nn.functional.interpolate(x, scale_factor=2))(wave(torch, 2, 1, 2, 3, 3)),
        torch.func.vmap(lambda x: torch.nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True))(
            wave(torch, 2, 3, 4, 2)
        ),
    ]


@case
def vm_bn(torch):
    m = torch.nn.BatchNorm1d(3, track_running_stats=False).double()
    return torch.func.vmap(m)(wave(torch, 2, 4, 3))


@case
def vm_ops(torch):
    return [
        torch.func.vmap(torch.outer)(wave(torch, 3, 2), wave(torch, 3, 4)),
        torch.func.vmap(torch.linalg.solve)(wave(torch, 3, 2, 2) + torch.eye(2, dtype=torch.float64) * 3, wave(torch, 3, 2)),
        torch.func.vmap(torch.det)(wave(torch, 3, 2, 2)),
        torch.func.vmap(torch.linalg.inv)(wave(torch, 3, 2, 2) + torch.eye(2, dtype=torch.float64) * 3),
        torch.func.vmap(lambda x: torch.sort(x)[0])(wave(torch, 3, 4)),
        torch.func.vmap(lambda x: x.topk(2)[0])(wave(torch, 3, 4)),
        torch.func.vmap(lambda x: x.max(0)[1])(wave(torch, 3, 4)),
        torch.func.vmap(lambda x: x.norm())(wave(torch, 3, 4)),
        torch.func.vmap(lambda x: x.std(0))(wave(torch, 3, 4)),
        torch.func.vmap(torch.trace)(wave(torch, 2, 3, 3)),
        torch.func.vmap(lambda x: torch.einsum("ij,kj->ik", x, x))(wave(torch, 2, 3, 2)),
        torch.func.vmap(lambda x: torch.cdist(x, x))(wave(torch, 2, 3, 2)),
        torch.func.vmap(lambda x: torch.stack([x, x * 2], 1))(wave(torch, 2, 3)),
        torch.func.vmap(lambda x: x.unfold(0, 2, 1))(wave(torch, 2, 4)),
        torch.func.vmap(lambda x: torch.nn.functional.one_hot(x, 4))(torch.tensor([1, 3])),
        torch.func.vmap(lambda x: torch.diag(x))(wave(torch, 2, 3)),
        torch.func.vmap(lambda x: x.view(-1).repeat(2))(wave(torch, 2, 2, 2)),
        torch.func.vmap(lambda x: torch.nn.functional.softmax(x, -1) @ x.unsqueeze(-1))(wave(torch, 2, 3)),
    ]


@case
def vm_conv(torch):
    w = wave(torch, 2, 2, 3, 3)
    return [
        torch.func.vmap(lambda x: torch.nn.functional.conv2d(x, w, padding=1))(wave(torch, 3, 1, 2, 4, 4)),
        torch.func.vmap(lambda w: torch.nn.functional.conv2d(wave(torch, 2, 2, 4, 4), w, stride=2))(wave(torch, 3, 2, 2, 3, 3)),
        torch.func.vmap(lambda x, w: torch.nn.functional.conv2d(x, w))(wave(torch, 3, 1, 2, 4, 4), wave(torch, 3, 2, 2, 3, 3)),
        torch.func.vmap(lambda x: torch.nn.functional.conv1d(x, wave(torch, 2, 1, 2), groups=2))(wave(torch, 3, 1, 2, 4)),
        torch.func.vmap(lambda x: torch.nn.functional.conv_transpose2d(x, wave(torch, 2, 1, 2, 2), stride=2))(
            wave(torch, 2, 1, 2, 2, 2)
        ),
        torch.func.vmap(lambda x: torch.nn.functional.avg_pool2d(x, 2))(wave(torch, 2, 1, 2, 4, 4)),
    ]


@case
def vm_fn_own(torch):

    class A(torch.autograd.Function):
        @staticmethod
        def forward(x, y):
            return x * y

        @staticmethod
        def setup_context(ctx, i, o):
            ctx.save_for_backward(*i)

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return (g * y, g * x)

        @staticmethod
        def vmap(info, in_dims, x, y):
            xd, yd = in_dims
            if xd is not None:
                x = x.movedim(xd, 0)
            return (A.apply(x, y if yd is None else y.movedim(yd, 0)) * info.batch_size, 0)

    return [
        torch.func.vmap(A.apply)(wave(torch, 3, 2), wave(torch, 3, 2, s=1)),
        torch.func.vmap(A.apply, (1, None))(wave(torch, 2, 3), wave(torch, 2)),
    ]
