import io
import os
import pickle
import resource
import struct

import numpy as np
import pytest

from tests.fake_cifar import python2_pickle
from vdfd_seg.datasets.conversion.restricted_pickle import load_restricted
from vdfd_seg.errors import InputError

ARRAYS = [
    np.arange(12, dtype=np.uint8).reshape(3, 4),
    np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)),
    np.array([1.5, -2], dtype=">f4"),
    np.array([True, False]),
    np.float64([[3.25]])[0],
]

RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
NDARRAY = b"cnumpy\nndarray\n"
EMPTY_ARRAY = RECONSTRUCT + b"(" + NDARRAY + b"(I0\ntU\x01btR"


def dtype(code):
    return b"cnumpy\ndtype\n(U" + bytes([len(code)]) + code + b"I0\nI1\ntR"


def array(shape=b"(I2\nt", kind=None, data=b"U\x02ab"):
    """A pickled array of two bytes, with parts of it exchanged."""
    kind = dtype(b"u1") if kind is None else kind
    return b"\x80\x02" + EMPTY_ARRAY + b"(I1\n" + shape + kind + b"I00\n" + data + b"tb."


class Calls:
    """Pickles as the call of a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def load(content):
    return load_restricted(io.BytesIO(content), "the file")


@pytest.mark.parametrize("expected", ARRAYS, ids=lambda a: a.dtype.str)
@pytest.mark.parametrize("dump", [python2_pickle, lambda a: pickle.dumps(a, protocol=2)])
def test_numeric_arrays_of_python_2_and_3(expected, dump):
    loaded = load(dump(expected))
    # Pickled arrays are read in this machine's byte order.
    assert loaded.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(loaded, expected)


def test_containers_and_text_of_python_2():
    value = {b"names": [b"a", b"b" * 300], b"both": (1, 2.5, None, True), b"big": 2**70}
    assert load(python2_pickle(value)) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_other_globals_are_named_and_nothing_runs(tmp_path, protocol):
    mark = tmp_path / "mark"
    content = pickle.dumps({b"data": Calls(os.mkdir, str(mark))}, protocol)
    with pytest.raises(InputError, match=r"the file: .* global '.*\.mkdir'"):
        load(content)
    assert not mark.exists()
    pickle.loads(content)
    assert mark.exists(), "this pickle would not have run anything anyway"


@pytest.mark.parametrize(
    "name",
    [
        "numpy.core.multiarray\nfromfile",
        "numpy\nload",
        "numpy\nndarray.tofile",
        "numpy\nmemmap",
        "numpy.core.multiarray\nscalar",
        "_codecs\ndecode",
        "builtins\nset",
        "builtins\neval",
        "builtins\ngetattr",
        "vdfd_seg.utils.files\natomic_write",
    ],
)
def test_nothing_beside_the_reconstruction_of_arrays_is_allowed(name):
    with pytest.raises(InputError, match="the global"):
        load(b"\x80\x02c" + name.encode() + b"\n.")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(python2_pickle(np.array([{}, []], dtype=object)), id="object array"),
        pytest.param(pickle.dumps(np.array([None]), 2), id="object array of Python 3"),
        pytest.param(
            pickle.dumps(np.zeros(2, dtype=[("a", "i4"), ("b", "O")]), 2), id="structured"
        ),
        pytest.param(pickle.dumps(np.array(["a"]), 2), id="text array"),
        pytest.param(array(kind=dtype(b"O8")), id="objects in bytes"),
        pytest.param(array(kind=dtype(b"V2")), id="void"),
        pytest.param(array(kind=b"U\x02u1"), id="type without a type"),
        pytest.param(array(shape=b"(I3\nt"), id="more than its bytes"),
        pytest.param(array(shape=b"(I1\nt"), id="less than its bytes"),
        pytest.param(array(shape=b"(I-2\nI-1\nt"), id="negative shape"),
        pytest.param(array(shape=b"(I4000000000\nI4000000000\nt"), id="enormous"),
        pytest.param(array(data=b"]"), id="list for bytes"),
        pytest.param(b"\x80\x02" + EMPTY_ARRAY + b"Nb.", id="no state"),
        pytest.param(RECONSTRUCT + b"}(X\x01\x00\x00\x00aI1\nub.", id="state of a function"),
        pytest.param(RECONSTRUCT + b"(N}X\x05\x00\x00\x00_callI1\nstb.", id="slot of a function"),
        pytest.param(b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00hextR.", id="codec"),
    ],
)
def test_reconstruction_cannot_be_abused(content):
    with pytest.raises(InputError, match="the file"):
        load(content)


def test_the_hand_made_array_is_valid_and_stand_ins_keep_no_state_between_files():
    np.testing.assert_array_equal(load(array()), [97, 98])
    with pytest.raises(InputError):
        load(RECONSTRUCT + b"(N}X\x05\x00\x00\x00_callI1\nstb.")
    np.testing.assert_array_equal(load(array()), [97, 98])


def test_every_truncation_is_a_message():
    whole = python2_pickle({b"data": ARRAYS[0], b"fine_labels": [1, 2]})
    for length in range(len(whole)):
        with pytest.raises(InputError, match="the file: damaged"):
            load(whole[:length])


def test_a_length_beyond_the_file_is_a_message():
    with pytest.raises(InputError, match="damaged"):
        load(b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"ab.")


def test_a_place_in_the_memo_reserves_no_memory():
    """LONG_BINPUT and LONG_BINGET with a number of ten digits; found by the fuzzer."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert load(b"\x80\x02K\x01r\x23\xa8\x0a\x46.") == 1
    with pytest.raises(InputError, match="the file"):
        load(b"\x80\x02j\x23\xa8\x0a\x46.")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
