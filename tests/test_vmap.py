"""The cases of ``vmap_cases.py`` run by minigrad and by PyTorch."""

import warnings

import pytest
from cases_of_autograd import compare, library
from vmap_cases import CASES

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def libraries():
    pytest.importorskip("torch")
    return library("torch"), library("minigrad")


@pytest.mark.parametrize("name", CASES)
def test_case(libraries, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what either library warns of is no part of a case
        compare(CASES[name], *libraries)
