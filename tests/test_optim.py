"""Optimizers: the rules, groups, states, hooks, errors. ``test_optim_parity.py`` compares them with PyTorch."""

import copy
import pickle

import numpy as np
import pytest
from checks import check_dtype, check_layout, check_reference, samples_of, unique_faces
from optim_cases import ERRORS, LBFGS_OPTIONS, RULES, configurations, gradients, parameters, rosenbrock, run

import minigrad
from minigrad import kernels, optim
from minigrad.optim import lr_scheduler
from minigrad.tensor import wrap

# ------------------------------------------------------------------------------------------------------------- the rules
UPDATES = [face for face in unique_faces() if face.op is not None and face.op.kind == "update"]


@pytest.mark.parametrize("face", UPDATES, ids=lambda f: f.name)
def test_rules_from_their_samples(face, device):
    """As tests/test_ops.py does for what is loaded with minigrad itself."""
    assert face.doc.strip() and len(UPDATES) == 13
    for s in samples_of(face):
        assert check_reference(face, s, device)
        check_layout(face, s, device)
        for dtype in ("float32", "float16"):  # bfloat16 is computed in float32 and rounded when it is written
            check_dtype(face, s, dtype, device)


@configurations
def test_kernel_and_text_agree(name, options):
    """On a parameter that is large enough for a kernel, beside small ones that are updated together."""
    results = []
    for flag in (True, False):
        with kernels.use_kernels(flag):
            r = np.random.default_rng(0)
            params = [wrap(r.standard_normal(s).astype("float32")).requires_grad_() for s in ((70, 40), (3, 4), (4,), ())]
            optimizer = getattr(optim, name)(params, lr=0.05, **options)
            for _ in range(4):
                for p in params:
                    p.grad = wrap(np.asarray(r.standard_normal(p.shape), "float32"))
                optimizer.step()
            results.append([p.array.copy() for p in params])
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", RULES)
def test_together_or_alone_is_the_same(name):
    """Small parameters are joined for one update: not a bit may depend on which others there are."""
    params, alone = parameters(), parameters()
    run(getattr(optim, name)(params), params, 4)
    for i, p in enumerate(alone):
        optimizer = getattr(optim, name)([p])
        for step in range(4):
            p.grad = wrap(gradients(step)[i])
            optimizer.step()
        assert p.array.tobytes() == params[i].array.tobytes()


def test_a_parameter_twice_in_a_group_is_updated_twice():
    p = minigrad.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optimizer = optim.SGD([p, p], lr=0.25)
    p.grad = minigrad.ones(2)
    optimizer.step()
    assert p.array.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("view", [False, True])
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_memory_that_two_parameters_share_is_updated_by_both(name, view):
    w, other = minigrad.ones(4, requires_grad=True), minigrad.ones(4, requires_grad=True)
    tied = minigrad.zeros(2, 2, requires_grad=True)
    tied.data = w.data.view(2, 2) if view else w.data
    optimizer = getattr(optim, name)([w, other, tied], lr=0.25)
    for p in (w, other, tied):
        p.grad = minigrad.ones_like(p)
    optimizer.step()
    np.testing.assert_allclose(w.array, [0.5] * 4, rtol=1e-6)
    np.testing.assert_allclose(other.array, [0.75] * 4, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(3,), (64, 40)])
def test_a_step_of_16_bits_is_computed_in_float32_and_rounded_once(dtype, shape):
    half, r = getattr(minigrad, dtype), np.random.default_rng(0)
    start, gradient = (wrap(r.standard_normal(shape).astype("float32")).to(half) for _ in range(2))
    params = [start.clone().requires_grad_(), start.clone().requires_grad_(), start.float().requires_grad_()]
    for p in params:
        p.grad = gradient.to(p.dtype)
    optim.SGD(params[:2], lr=0.3, weight_decay=0.1).step()
    optim.SGD(params[2:], lr=0.3, weight_decay=0.1).step()
    for p in params[:2]:
        assert p.array.tobytes() == params[2].detach().to(half).array.tobytes()


PHASES = [  # whose steps change with their number, in Python where nothing is traced
    ("RAdam", {"betas": (0.9, 0.9), "weight_decay": 0.1}),
    ("RAdam", {"betas": (0.9, 0.5), "decoupled_weight_decay": True}),  # never rectified
    ("ASGD", {"t0": 3, "lambd": 0.1}),
    ("Adafactor", {"lr": 0.6}),  # from step 3 on 1 / sqrt(t) is smaller
]


@pytest.mark.parametrize("name, options", [*((name, {}) for name in RULES), *PHASES])
def test_traced_steps_equal_eager_ones(name, options):
    from minigrad.compile.step import Step

    optimizers = []

    def train(wrapped):
        w = minigrad.tensor([[1.0], [-2.0]], requires_grad=True)
        optimizer = getattr(optim, name)([w], **{"lr": 0.05, **options})
        optimizers.append(optimizer)

        def fn(x):
            optimizer.zero_grad()
            loss = ((x @ w) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        fn = wrapped(fn)
        for k in range(8):
            fn(minigrad.tensor(np.random.default_rng(k).standard_normal((4, 2)).astype("float32")))
        return w.array

    np.testing.assert_allclose(train(Step), train(lambda f: f), rtol=1e-4)
    compiled, eager = [next(iter(o.state.values()), {}) for o in optimizers]
    for key, state in eager.items():
        if state is not None:
            np.testing.assert_allclose(compiled[key].array, state.array, rtol=1e-4, atol=1e-6)


@configurations
def test_the_device_gives_the_cpus_numbers(name, options, device):
    def moved(arrays):
        return [wrap(a.copy()).to(device) for a in arrays]

    here = parameters()
    there = [t.requires_grad_() for t in moved([p.array for p in here])]
    a, b = getattr(optim, name)(here, **options), getattr(optim, name)(there, **options)
    for i in range(4):
        run(a, here, 1, start=i)
        for p, g in zip(there, moved(gradients(i))):
            p.grad = g
        b.step()
        if i == 1:  # the state finds its way to the device
            saved, b = a.state_dict(), getattr(optim, name)(there, **options)
            b.load_state_dict(saved)
    for p, q in zip(here, there):
        assert q.device.type == minigrad.device(device).type
        np.testing.assert_allclose(q.detach().cpu().array, p.array, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", RULES)
def test_non_contiguous_parameters(name):
    base = np.random.default_rng(0).standard_normal((4, 6)).astype("float32")
    plain, odd = wrap(base[::2, ::-1].copy()).requires_grad_(), wrap(base[::2, ::-1]).requires_grad_()
    for p in (plain, odd):
        optimizer = getattr(optim, name)([p])
        for i in range(3):
            p.grad = wrap(np.random.default_rng(i).standard_normal((2, 6)).astype("float32"))
            optimizer.step()
    np.testing.assert_allclose(odd.array, plain.array, rtol=1e-6)
    assert np.shares_memory(odd.array, base)


@pytest.mark.parametrize("name", [*RULES, "LBFGS"])
def test_descends(name, device):
    w = minigrad.tensor([3.0, -2.0]).to(device).requires_grad_()
    optimizer = getattr(optim, name)([w], lr={"Adadelta": 50.0, "Adagrad": 1.0}.get(name, 0.1))

    def closure():
        optimizer.zero_grad()
        loss = ((w - 1) ** 2).sum()
        loss.backward()
        return loss

    first = float(closure())
    for _ in range(30):
        loss = optimizer.step(closure)
    assert float(loss) < 0.5 * first


@pytest.mark.parametrize("options", LBFGS_OPTIONS, ids=lambda o: "-".join(map(str, o.values())) or "plain")
def test_lbfgs_finds_the_valley(options):
    p, unused = (
        wrap(np.array([-1.2, 1.0, 0.5, -0.3])).requires_grad_(),
        minigrad.ones(2, dtype=minigrad.float64, requires_grad=True),
    )
    optimizer = optim.LBFGS([p, unused], **({"lr": 0.01, **options} if "line_search_fn" not in options else options))

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(p)
        loss.backward()
        return loss

    first = optimizer.step(closure).item()
    for _ in range(30):
        last = optimizer.step(closure).item()
    if "line_search_fn" in options:
        assert last < first and ("history_size" in options or last < 1e-10)
    assert unused.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("name", [*RULES, "LBFGS"])
def test_complex_parameters_are_two_real_ones(name):
    start = np.array([[1 + 2j, -3 + 0.5j]], "complex64")
    z, parts = wrap(start.copy()).requires_grad_(), wrap(start.view("float32").copy()).requires_grad_()
    for p in (z, parts):
        optimizer = getattr(optim, name)([p], lr=0.1)
        for i in range(3):
            g = np.random.default_rng(i).standard_normal((1, 4)).astype("float32")
            p.grad = wrap(g.view("complex64") if p is z else g)
            optimizer.step(lambda: minigrad.tensor(1.0))
    np.testing.assert_allclose(z.detach().array.view("float32"), parts.array, rtol=1e-5)


def test_adam_by_hand():
    """Kingma and Ba, algorithm 1, in double precision."""
    w, m, v = np.array([1.0, -2.0]), 0.0, 0.0
    p = wrap(w.copy()).requires_grad_()
    optimizer = optim.Adam([p], lr=0.1, betas=(0.8, 0.9), eps=1e-6)
    for t in range(1, 5):
        g = np.array([0.5, -1.0]) * t
        p.grad = wrap(g.copy())
        optimizer.step()
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g**2
        w = w - 0.1 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.9**t)) + 1e-6)
    np.testing.assert_allclose(p.array, w, rtol=1e-12)
    assert float(optimizer.state[p]["step"]) == 4


def test_writes_in_place_and_is_seen():
    """The memory stays the same, and a gradient that needs the old value says so."""
    p = minigrad.tensor([1.0, 2.0], requires_grad=True)
    memory, loss = p.array, (p * p).sum()
    p.grad = minigrad.ones(2)
    optim.SGD([p], lr=0.5).step()
    assert p.array is memory and p.array.tolist() == [0.5, 1.5]
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_parameters_without_gradient_are_left_alone():
    p, q = minigrad.ones(2, requires_grad=True), minigrad.ones(2, requires_grad=True)
    optimizer = optim.Adam([p, q])
    p.grad = minigrad.ones(2)
    optimizer.step()
    assert q.array.tolist() == [1.0, 1.0] and list(optimizer.state_dict()["state"]) == [0]


# ---------------------------------------------------------------------------------------------- groups, states and hooks
def test_parameter_groups():
    p, q = minigrad.ones(2, requires_grad=True), minigrad.ones(2, requires_grad=True)
    optimizer = optim.SGD([{"params": [p]}, {"params": q, "lr": 1.0}], lr=0.5)
    p.grad = q.grad = minigrad.ones(2)
    optimizer.step()
    assert p.array.tolist() == [0.5, 0.5] and q.array.tolist() == [0.0, 0.0]
    optimizer.add_param_group({"params": minigrad.ones(3, requires_grad=True), "momentum": 0.9})
    assert [g["momentum"] for g in optimizer.param_groups] == [0, 0, 0.9]
    assert optimizer.state_dict()["param_groups"][2]["params"] == [2]


def test_named_parameters():
    p, q = minigrad.ones(2, requires_grad=True), minigrad.ones(2, requires_grad=True)
    optimizer = optim.AdamW([("weight", p), ("bias", q)])
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    assert "param_names: ['weight', 'bias']" in repr(optimizer)
    with pytest.raises(ValueError, match="Some param names are missing"):
        optim.SGD([("weight", p), q])
    with pytest.raises(ValueError, match="cannot add param group without names"):
        optimizer.add_param_group({"params": [minigrad.ones(1, requires_grad=True)]})


def test_lr_as_a_tensor():
    p = minigrad.ones(2, requires_grad=True)
    optimizer = optim.SGD([p], lr=minigrad.tensor(0.5))
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    for expected in (0.5, 0.25):
        p.grad = minigrad.ones(2)
        optimizer.step()
        scheduler.step()
        assert p.array.tolist() == [expected] * 2
    assert isinstance(scheduler.get_last_lr()[0], minigrad.Tensor)
    with pytest.raises(ValueError, match="Tensor lr must be 1-element"):
        optim.SGD([p], lr=minigrad.ones(2))


def test_zero_grad():
    p = minigrad.ones(2, requires_grad=True)
    optimizer = optim.SGD([p])
    p.grad = minigrad.ones(2)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize("name", [*RULES, "LBFGS"])
def test_resuming_from_a_state_dict_is_exact(name):
    def closure_of(optimizer, params):
        def closure():
            optimizer.zero_grad()
            loss = sum(((p - 0.3) ** 2).sum() * (i + 1) for i, p in enumerate(params))
            loss.backward()
            return loss

        return closure

    whole, parts = parameters(), parameters()
    a = getattr(optim, name)(whole)
    for _ in range(6):
        a.step(closure_of(a, whole))
    b = getattr(optim, name)(parts)
    for _ in range(3):
        b.step(closure_of(b, parts))
    saved, values = copy.deepcopy(b.state_dict()), [wrap(p.array.copy()).requires_grad_() for p in parts]
    c = getattr(optim, name)(values, lr=0.77)
    c.load_state_dict(saved)
    for _ in range(3):
        c.step(closure_of(c, values))
    for p, q in zip(whole, values):
        assert p.array.tobytes() == q.array.tobytes()


def test_loaded_state_is_a_copy_in_the_parameters_dtype():
    p, q = minigrad.ones(2, requires_grad=True), minigrad.ones(2, dtype=minigrad.float64, requires_grad=True)
    a, b = optim.Adam([p]), optim.Adam([q])
    p.grad = minigrad.ones(2)
    a.step()
    b.load_state_dict(a.state_dict())
    state = b.state[q]
    assert state["exp_avg"].dtype is minigrad.float64 and state["step"].dtype is minigrad.float32
    a.step()
    assert float(state["step"]) == 1.0


def test_old_state_dicts_are_completed():
    p = minigrad.ones(2, requires_grad=True)
    optimizer = optim.AdamW([p])
    state = {"step": 3, "exp_avg": minigrad.zeros(2), "exp_avg_sq": minigrad.ones(2)}
    optimizer.load_state_dict(
        {"state": {0: state}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0, "params": [0]}]}
    )
    p.grad = minigrad.ones(2)
    optimizer.step()
    assert float(optimizer.state[p]["step"]) == 4 and optimizer.param_groups[0]["decoupled_weight_decay"] is True


def test_state_dict_that_does_not_fit():
    p = minigrad.ones(2, requires_grad=True)
    one = optim.SGD([p]).state_dict()
    two = optim.SGD([{"params": [p]}, {"params": [minigrad.ones(1, requires_grad=True)]}])
    with pytest.raises(ValueError, match="different number of parameter groups: 1"):
        two.load_state_dict(one)
    with pytest.raises(ValueError, match="doesn't match the size of optimizer's group"):
        optim.SGD([p, minigrad.ones(1, requires_grad=True)]).load_state_dict(one)


def test_pickle_and_deepcopy():
    params = parameters()
    optimizer = optim.Adam(params)
    run(optimizer, params, 2)
    for twin in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        theirs = twin.param_groups[0]["params"]
        run(twin, theirs, 2, start=2)
        assert float(twin.state[theirs[0]]["step"]) == 4
    run(optimizer, params, 2, start=2)
    np.testing.assert_array_equal(params[0].array, theirs[0].array)


def test_hooks():
    p, seen = minigrad.ones(1, requires_grad=True), []
    optimizer = optim.SGD([p], lr=1.0)
    handles = [
        optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before")),
        optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after")),
        optimizer.register_state_dict_post_hook(lambda o, d: {**d, "more": 1}),
        optimizer.register_load_state_dict_pre_hook(lambda o, d: seen.append("load")),
        optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded")),
        optimizer.register_state_dict_pre_hook(lambda o: seen.append("save")),
    ]
    optimizer.step()
    assert optimizer.state_dict()["more"] == 1
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == ["before", "after", "save", "save", "load", "loaded"]
    for h in handles:
        h.remove()
    optimizer.step()
    assert len(seen) == 6
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((lambda: 5.0,), {}))
    assert optimizer.step() == 5.0
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 1)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_hooks_run_once_in_a_subclass():
    class Twice(optim.SGD):
        def step(self, closure=None):
            super().step()
            return super().step(closure)

    p, seen = minigrad.ones(1, requires_grad=True), []
    optimizer = Twice([p], lr=1.0)
    optimizer.register_step_post_hook(lambda *_: seen.append(1))
    p.grad = minigrad.ones(1)
    optimizer.step()
    assert p.item() == -1.0 and seen == [1]


def test_hook_order():
    p, seen = minigrad.ones(1, requires_grad=True), []
    optimizer = optim.SGD([p])
    optimizer.register_state_dict_pre_hook(lambda o: seen.append(1))
    optimizer.register_state_dict_pre_hook(lambda o: seen.append(2))
    optimizer.register_state_dict_pre_hook(lambda o: seen.append(0), prepend=True)
    optimizer.state_dict()
    assert seen == [0, 1, 2]


def test_repr_is_pytorchs():
    text = repr(optim.SGD([minigrad.ones(1, requires_grad=True)], lr=0.1))
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n") and text.endswith(
        "weight_decay: 0\n)"
    )


@pytest.mark.parametrize("name, options, message", ERRORS)
def test_settings_out_of_range(name, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(optim, name)([minigrad.ones(1, requires_grad=True)], **options)


def test_parameters_that_cannot_be_optimized():
    p = minigrad.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="optimizer got an empty parameter list"):
        optim.SGD([])
    with pytest.raises(TypeError, match="should be an iterable of Tensors or dicts"):
        optim.SGD(p)
    with pytest.raises(TypeError, match="can only optimize Tensors, but one of the params is"):
        optim.SGD([1.0])
    with pytest.raises(ValueError, match=r"can't optimize a non-leaf Tensor.*MulBackward0"):
        optim.SGD([p * 2])
    with pytest.raises(ValueError, match=r"can't optimize a Tensor of dtype minigrad.int64.*\.float\(\)"):
        optim.SGD([minigrad.tensor([1, 2])])
    with pytest.raises(TypeError, match="ordered collections"):
        optim.SGD([{"params": {p}}])
    with pytest.raises(TypeError, match="param_group must be a dict"):
        optim.SGD([p]).add_param_group([p])
    with pytest.raises(ValueError, match="some parameters appear in more than one parameter group"):
        optim.SGD([{"params": [p]}, {"params": [p]}])
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([p, p])
    with pytest.raises(RuntimeError, match="`fused` does not support `differentiable`"):
        optim.Adam([p], fused=True, differentiable=True)
    with pytest.raises(ValueError, match="lr as a Tensor is not supported for capturable=False and foreach=True"):
        optim.Adam([p], lr=minigrad.tensor(0.1), foreach=True)
    with pytest.raises(ValueError, match="betas must be either both floats or both Tensors"):
        optim.AdamW([p], betas=(minigrad.tensor(0.9), 0.99))
    with pytest.raises(ValueError, match=r"Muon only supports 2D parameters.*\[2\]"):
        optim.Muon([p])
    with pytest.raises(RuntimeError, match="`fused` and `foreach` cannot be `True` together"):
        optim.Adam([p], fused=True, foreach=True)
    with pytest.raises(ValueError, match="doesn't support per-parameter options"):
        optim.LBFGS([{"params": [p]}, {"params": [minigrad.ones(1, requires_grad=True)]}])
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optim.LBFGS([p], line_search_fn="armijo")
    optim.Adam([p], foreach=True, capturable=False)
    optim.Adam([p], fused=True)


def test_required_options_and_the_base_class():
    from minigrad.optim.optimizer import required

    p = minigrad.ones(1, requires_grad=True)
    with pytest.raises(ValueError, match="didn't specify a value of required optimization parameter lr"):
        optim.Optimizer([p], {"lr": required})
    with pytest.raises(NotImplementedError, match="must define step"):
        optim.Optimizer([p], {"lr": 0.1}).step()


def test_an_empty_line_stands_between_groups():
    a, b = minigrad.ones(1, requires_grad=True), minigrad.ones(1, requires_grad=True)
    text = repr(optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.1}], lr=0.01))
    assert "weight_decay: 0\n\nParameter Group 1\n" in text and text.count("\n\n") == 1
