"""``minigrad.func`` and ``vmap``: what mistakes say, and the ways that few programs take."""

import pytest

import minigrad
from minigrad import func, vmap

X = minigrad.tensor([1.0, 2.0])
ROWS = minigrad.arange(6.0).view(3, 2)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: func.grad(lambda x: x)(3.0), ValueError, "must be Tensor"),
        (lambda: func.grad(lambda x: x)(minigrad.tensor(1)), RuntimeError, "floating point dtype"),
        (lambda: func.grad(lambda x: x)(X), RuntimeError, "scalar tensor, got tensor with 1 dims"),
        (lambda: func.grad(lambda x: [x])(X), RuntimeError, "single tensor, got list"),
        (lambda: func.grad(lambda x: x.sum(), has_aux=True)(X), RuntimeError, r"tuple: \(output, aux\)"),
        (lambda: func.grad(lambda x: x, argnums="0")(X), RuntimeError, "argnums must be int"),
        (lambda: func.grad(lambda x: x, argnums=1)(X), RuntimeError, "argnum=1, but only 1"),
        (lambda: func.grad(lambda x: x, argnums=(0, -1))(X), RuntimeError, "must be unique"),
        (lambda: func.grad(lambda x: x, argnums=())(X), RuntimeError, "non-empty"),
        (lambda: func.vjp(lambda x: 3.0, X), RuntimeError, "return only Tensors"),
        (lambda: func.vjp(lambda x: (), X), RuntimeError, "non-empty output"),
        (lambda: func.vjp(lambda x: x, X)[1]((X, X)), RuntimeError, "structure of cotangents"),
        (lambda: func.jvp(lambda x: x, X, (X,)), RuntimeError, "primals to be a tuple"),
        (lambda: func.jvp(lambda x: x, (X,), (X, X)), RuntimeError, "same python structure"),
        (lambda: func.jvp(lambda x: x, (X,), (1.0,)), ValueError, "tangents to be Tensors"),
        (lambda: func.jvp(lambda x: x, (X,), (ROWS,)), RuntimeError, r"a tangent of shape \[3, 2\]"),
        (lambda: func.jvp(lambda x: minigrad.ones(1), (X,), (X,), strict=True), RuntimeError, "independent of the inputs"),
        (lambda: func.jacrev(lambda x: x, chunk_size=0)(X), ValueError, "greater than 0"),
        (lambda: func.functionalize(lambda x: x, remove="views")(X), RuntimeError, "mutations"),
    ],
)
def test_mistakes_of_transforms(call, error, text):
    with pytest.raises(error, match=text):
        call()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: vmap(abs, randomness="some"), RuntimeError, "allowed values for randomness"),
        (lambda: vmap(abs, chunk_size=0), ValueError, "chunk_size should be None or greater"),
        (lambda: vmap(abs, in_dims="0")(ROWS), ValueError, "expected `in_dims` to be int"),
        (lambda: vmap(abs)(), ValueError, "got no inputs"),
        (lambda: vmap(abs, in_dims=(0, 0))(ROWS), ValueError, "not compatible with the structure of `inputs`"),
        (lambda: vmap(abs, in_dims=(True,))(ROWS), ValueError, "either an integer dimension or None"),
        (lambda: vmap(lambda x, n: x)(ROWS, 3), ValueError, "cannot vmap over non-Tensor"),
        (lambda: vmap(abs, in_dims=2)(ROWS), ValueError, "Tensor of dimensionality 2"),
        (lambda: vmap(abs, in_dims=(None,))(ROWS), ValueError, "at least one input"),
        (lambda: vmap(lambda x, y: x)(ROWS, X), ValueError, "same size in the mapped dimension"),
        (lambda: vmap(lambda x: 3)(ROWS), ValueError, "must only return Tensors"),
        (lambda: vmap(lambda x: x, out_dims=(0, 0))(ROWS), ValueError, "structure of `outputs`"),
        (lambda: vmap(lambda x: x, out_dims="0")(ROWS), ValueError, "must be an int"),
        (lambda: vmap(lambda x: x, out_dims=2)(ROWS), IndexError, "Dimension out of range"),
        (lambda: vmap(lambda x: x, out_dims=None)(ROWS), ValueError, "BatchedTensor when out_dim is None"),
        (lambda: vmap(lambda x: x.reshape(3))(ROWS), (RuntimeError, ValueError), "reshape|shape"),
        (lambda: vmap(lambda x: x.numpy())(ROWS), RuntimeError, "vmap"),
        (lambda: vmap(lambda x: x.sum(3))(ROWS), IndexError, "out of range"),
    ],
)
def test_mistakes_of_vmap(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_ways_of_vmap():
    assert vmap(lambda x: x * 2, in_dims=[1], out_dims=(1,))(ROWS).tolist() == (ROWS * 2).tolist()
    x, shared = vmap(lambda x: (x + 1, minigrad.ones(2)), out_dims=(0, None), chunk_size=2)(ROWS)
    assert x.tolist() == (ROWS + 1).tolist() and shared.tolist() == [1.0, 1.0]
    assert vmap(lambda x, n: x * n, in_dims=(0, None))(ROWS, 3).tolist() == (ROWS * 3).tolist()
    assert vmap(vmap(lambda x: x * x))(ROWS).tolist() == (ROWS * ROWS).tolist()


def _each(f, *tensors):
    return minigrad.stack([f(*row) for row in zip(*tensors)])


INDEX = minigrad.tensor([[1, 0], [0, 0], [1, 1]])


@pytest.mark.parametrize(
    ("f", "tensors"),
    [
        (lambda i: ROWS[i], (INDEX,)),  # the index differs, what is read does not
        (lambda i: ROWS[:, i], (INDEX,)),
        (lambda x, i: x[i], (ROWS, INDEX)),
        (lambda x: x[...], (ROWS,)),
        (lambda i, w: minigrad.nn.functional.embedding(i, w), (INDEX, minigrad.arange(12.0).view(3, 2, 2))),
        (lambda w: minigrad.nn.functional.embedding(INDEX, w), (minigrad.arange(12.0).view(3, 2, 2),)),
        (lambda x: x.argsort(descending=True), (ROWS,)),
        (lambda x: x.argmax(), (ROWS,)),
        (lambda x: x.unsqueeze(0).sort(dim=0).values, (ROWS,)),
        (lambda x: x.index_put((minigrad.tensor([1]),), minigrad.tensor([9.0])), (ROWS,)),
        (lambda x, i: x.index_put((i[:1],), x[:1] * 10, accumulate=True), (ROWS, INDEX)),
        (lambda x: x.gather(0, minigrad.tensor([1, 1])), (ROWS,)),
        (lambda x, y: minigrad.dot(x, y), (ROWS, ROWS)),
        (lambda x: x.cumsum(0), (ROWS,)),
    ],
)
def test_a_batch_gives_what_its_samples_give(f, tensors):
    got, expected = vmap(f)(*tensors), _each(f, *tensors)
    assert got.shape == expected.shape and got.tolist() == expected.tolist()


def test_transforms_of_what_depends_on_nothing():
    assert func.jacfwd(lambda x: minigrad.ones(3))(X).tolist() == [[0.0, 0.0]] * 3
    assert func.jacrev(lambda x: minigrad.ones(3))(X).tolist() == [[0.0, 0.0]] * 3
    assert func.vjp(lambda x: minigrad.ones(2), X)[1](X)[0].tolist() == [0.0, 0.0]
    assert func.jvp(lambda x: minigrad.ones(2), (X,), (X,))[1].tolist() == [0.0, 0.0]
    gradient, aux = func.grad(lambda x, y: ((x * y).sum(), {"y": y * 2}), argnums=1, has_aux=True)(X, X)
    assert gradient.tolist() == [1.0, 2.0] and aux["y"].tolist() == [2.0, 4.0]


def test_modules_as_functions():
    layer = minigrad.nn.Linear(2, 1)
    weight, bias = {"weight": minigrad.ones(1, 2)}, {"bias": minigrad.zeros(1)}
    assert func.functional_call(layer, (weight, bias), X).tolist() == [3.0]
    before = layer.weight
    with pytest.raises(RuntimeError, match=r"Unexpected key\(s\): other. Missing key\(s\): bias, weight."):
        func.functional_call(layer, {"other": X}, X, strict=True)
    with pytest.raises(ValueError, match="appears in multiple"):
        func.functional_call(layer, (weight, weight), X)
    with pytest.raises(ValueError, match="to be a dict, or a list/tuple"):
        func.functional_call(layer, [3], X)
    assert layer.weight is before
    tied = minigrad.nn.Sequential(minigrad.nn.Linear(2, 2, bias=False), minigrad.nn.Linear(2, 2, bias=False))
    tied[1].weight = tied[0].weight
    assert func.functional_call(tied, {"0.weight": minigrad.eye(2) * 3}, (X,)).tolist() == [9.0, 18.0]
    with pytest.raises(ValueError, match="which are tied"):
        func.functional_call(tied, {"0.weight": minigrad.eye(2), "1.weight": minigrad.eye(2)}, X)
    norm = minigrad.nn.BatchNorm1d(2)
    state = {"running_mean": minigrad.zeros(2), "num_batches_tracked": minigrad.tensor(0)}
    func.functional_call(norm, state, ROWS)
    assert state["num_batches_tracked"].item() == 1 and state["running_mean"].tolist() == pytest.approx([0.2, 0.3])
    assert norm.num_batches_tracked.item() == 0 and norm.running_mean.tolist() == [0.0, 0.0]
    assert func.functional_call(norm.eval(), {}, (), {"input": ROWS}).shape == (3, 2)


def test_stacked_modules():
    a, b = minigrad.nn.Linear(2, 1), minigrad.nn.Linear(2, 1)
    params, buffers = func.stack_module_state([a, b])
    assert params["weight"][1].tolist() == b.weight.tolist() and params["bias"].requires_grad and buffers == {}
    b.bias.requires_grad_(False)
    for models, text in (
        ([], "at least one model"),
        ([a, minigrad.nn.Linear(2, 1).eval()], "same training/eval mode"),
        ([a, minigrad.nn.ReLU()], "same class"),
        ([a, b], "consistent requires_grad"),
    ):
        with pytest.raises(RuntimeError, match=text):
            func.stack_module_state(models)
