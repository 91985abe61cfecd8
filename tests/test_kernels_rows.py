"""The kernels of softmax, cross-entropy and embedding as functions of NumPy arrays, against plain NumPy in float64."""

import importlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from kernel_checks import FLOATS, close, normal, turned

numba = pytest.importorskip("numba")

embedding = importlib.import_module("minigrad.kernels.cpu.embedding")
rows = importlib.import_module("minigrad.kernels.cpu.rows")


def plain_log_softmax(x):
    x = x.astype(float)
    with np.errstate(all="ignore"):
        shifted = x - x.max(-1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def logits_with_extremes(classes):
    x = 3 * normal(8, classes)
    x[1] += 1000
    x[2, 0] = -np.inf
    x[3] = -np.inf
    x[4, -1] = np.nan
    x[5, 0] = -np.nan
    x[6, 0] = np.inf
    x[7] = -np.abs(x[7]) - 50  # a maximum below zero
    return x


TOLERANCE = {np.float32: 1e-6, np.float64: 1e-14}


@pytest.mark.parametrize("classes", [1, 3, 16, 37])
def test_softmax_and_log_softmax(classes):
    x = logits_with_extremes(classes)
    with np.errstate(all="ignore"):
        for dtype in FLOATS:
            given, tolerance = x.astype(dtype), TOLERANCE[dtype]
            expected = plain_log_softmax(given)
            for shaped in (given, turned(given), given.reshape(2, 4, classes)):
                close(rows.log_softmax(shaped, axis=-1), expected.reshape(shaped.shape), tolerance)
                close(rows.softmax(shaped, axis=shaped.ndim - 1), np.exp(expected).reshape(shaped.shape), tolerance)
            for columns in (given.T.copy(), given.reshape(2, 4, classes).transpose(0, 2, 1)):
                axis = columns.ndim - 2
                wanted = plain_log_softmax(columns.swapaxes(axis, -1)).swapaxes(axis, -1)
                close(rows.log_softmax(columns, axis=axis), wanted, tolerance)
                close(rows.softmax(columns, axis=axis), np.exp(wanted), tolerance)


@pytest.mark.parametrize("shape", [(5, 1), (40, 7), (3, 150), (2, 3, 300), (1, rows.BLOCK + 3)])
def test_gradients_of_softmax_and_log_softmax(shape):
    for dtype in FLOATS:
        x, g = normal(*shape, dtype=dtype), normal(*shape, dtype=dtype, seed=1)
        for axis in range(len(shape)):
            y, log_y = rows.softmax(x, axis=axis), rows.log_softmax(x, axis=axis)
            y64, g64 = y.astype(float), g.astype(float)
            expected = y64 * (g64 - (g64 * y64).sum(axis, keepdims=True))
            close(rows.softmax_dx(turned(g), y, axis=axis), expected, TOLERANCE[dtype])
            expected = g64 - np.exp(log_y.astype(float)) * g64.sum(axis, keepdims=True)
            actual = rows.log_softmax_dx(g, turned(log_y), axis=axis - len(shape))
            np.testing.assert_allclose(actual, expected, rtol=0, atol=30 * TOLERANCE[dtype])


def test_softmax_of_several_blocks_and_tiles():
    x = normal(rows.BLOCK // 8 + 5, 9)  # 2 blocks of rows
    close(rows.softmax(x, axis=1), np.exp(plain_log_softmax(x)), 1e-6)
    x = normal(3, 2 * rows.TILE + 1)
    close(rows.softmax(x, axis=0), np.exp(plain_log_softmax(x.T)).T, 1e-6)


@pytest.mark.parametrize("classes", [1, 3, 16, 37, rows.LONG])
def test_cross_entropy(classes):
    for dtype in FLOATS:
        check_cross_entropy(logits_with_extremes(classes).astype(dtype), normal(8, dtype=dtype), TOLERANCE[dtype])


def check_cross_entropy(x, g, tolerance):
    target = np.arange(8) % x.shape[1]
    log_softmax = plain_log_softmax(x)
    expected = np.exp(log_softmax)
    expected[np.arange(8), target] -= 1
    with np.errstate(all="ignore"):
        for order in (np.copy, turned):
            loss, residual = rows.cross_entropy(order(x), target)
            close(loss, -log_softmax[np.arange(8), target], tolerance)
            saved = {"logits": order(x), "target": target}
            dlogits, dtarget = rows.cross_entropy_backward(g, saved, residual, (True, False))
            close(dlogits, expected * g[:, None].astype(float), tolerance)
            assert dtarget is None
            assert rows.cross_entropy_backward(g, saved, residual, (False, False)) == (None, None)
        both, gradient = np.empty_like(loss), np.empty_like(x)
        for factors in (g, g[:1]):
            assert rows.cross_entropy_both(x, target, factors, both, gradient) == -1
            close(both, loss.astype(float), tolerance)
            close(gradient, expected * factors[:, None].astype(float), tolerance)


def test_cross_entropy_of_several_blocks():
    x, g = normal(rows.BLOCK // 7, 10), normal(rows.BLOCK // 7)
    target = np.arange(len(x)) % 10
    loss, gradient = np.empty_like(g), np.empty_like(x)
    assert rows.cross_entropy_both(x, target, g, loss, gradient) == -1
    expected = plain_log_softmax(x)
    close(loss, -expected[np.arange(len(x)), target], 1e-6)
    close(gradient, g[:, None] * (np.exp(expected) - np.eye(10)[target]), 1e-6)
    target[200] = 10
    assert rows.cross_entropy_both(x, target, g, loss, gradient) == 200


@pytest.mark.parametrize("wrong", [-1, 3, -100])
def test_a_target_that_is_no_class_is_an_error(wrong):
    with pytest.raises(IndexError, match=f"target {wrong} "):
        rows.cross_entropy(normal(2, 3), np.array([0, wrong]))


@pytest.mark.parametrize("dtype", FLOATS)
def test_index_add_rows(dtype):
    g, index = normal(9, 5, dtype=dtype), np.array([3, 0, 3, 3, 6, 0, 1, 3, 6])
    expected = np.zeros((7, 5))
    np.add.at(expected, index, g)
    for order in (np.copy, turned):
        close(embedding.index_add_rows(order(g), index, rows=7), expected)
    for wrong in (-1, 7):
        with pytest.raises(IndexError, match=f"index {wrong} "):
            embedding.index_add_rows(g[:2], np.array([0, wrong]), rows=7)


@pytest.mark.parametrize("dtype", FLOATS)
def test_embedding(dtype):
    weight, index = normal(7, 5, dtype=dtype), np.array([[3, 0, -1], [6, -7, 1]])
    for order in (np.copy, turned):
        chosen = embedding.embedding(order(index), order(weight), padding_idx=None, scale_grad_by_freq=False)
        np.testing.assert_array_equal(chosen, weight[index])
    for wrong in (-8, 7):
        with pytest.raises(IndexError, match=f"index {wrong} "):
            embedding.embedding(np.array([0, wrong]), weight, padding_idx=None, scale_grad_by_freq=False)


def test_pieces_of_the_rows_give_the_same_sums():
    g, index = normal(300, 3), np.random.default_rng(0).integers(0, 7, 300)
    whole, pieces = np.zeros((7, 3), np.float32), np.zeros((7, 3), np.float32)
    embedding.add_rows(g, index, 0, 7, whole)
    for first, last in ((4, 7), (0, 2), (2, 4)):
        embedding.add_rows(g, index, first, last, pieces)
    np.testing.assert_array_equal(whole, pieces)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="this is the second run")
def test_all_of_this_holds_without_compilation():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", str(pathlib.Path(__file__))]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
