"""The cases of the folder ``autograd_cases`` run by minigrad and by PyTorch."""

import warnings

import pytest
from autograd_cases import CASES
from autograd_cases.common import compare, library

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def libraries():
    return library("torch"), library("minigrad")


@pytest.mark.parametrize("name", CASES)
def test_case(libraries, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what either library warns of is no part of a case
        compare(CASES[name], *libraries)
