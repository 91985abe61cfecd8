"""The part of torchvision that is here: data sets from files, transforms of tensors and of pictures, grids."""

import gzip
import pickle

import numpy as np
import pytest

import minigrad
from minigrad.torchvision import datasets, utils
from minigrad.torchvision import transforms as T
from minigrad.torchvision.transforms import functional as F

Image = pytest.importorskip("PIL.Image")


@pytest.fixture(autouse=True)
def _seed():
    minigrad.manual_seed(0)


def picture(h=6, w=8, channels=3):
    array = np.random.default_rng(0).integers(0, 256, (h, w, channels), np.uint8)
    return Image.fromarray(array if channels > 1 else array[:, :, 0])


# ---------------------------------------------------------------------------------------------------------- conversion
def test_pictures_become_tensors_and_come_back():
    for channels in (1, 3):
        p = picture(channels=channels)
        t = T.ToTensor()(p)
        assert t.shape == (channels, 6, 8) and t.dtype is minigrad.float32 and 0 <= t.min() and t.max() <= 1
        np.testing.assert_array_equal(np.asarray(T.ToPILImage()(t)), np.asarray(p))
        np.testing.assert_array_equal(T.PILToTensor()(p).numpy(), (t * 255).round().numpy())
    assert T.ToTensor()(np.zeros((2, 3))).dtype is minigrad.float64
    assert T.ConvertImageDtype(minigrad.uint8)(minigrad.tensor([0.0, 0.5, 1.0])).tolist() == [0, 127, 255]
    assert T.ConvertImageDtype(minigrad.float32)(minigrad.tensor([0, 255], dtype=minigrad.uint8)).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("call", [lambda: T.ToTensor()("x"), lambda: T.Resize(3)(np.zeros((2, 2))), lambda: T.PILToTensor()(1)])
def test_what_is_no_picture_is_refused(call):
    with pytest.raises(TypeError, match="should be PIL Image"):
        call()


def test_normalize():
    x = minigrad.ones(2, 3, 2, 2)
    y = T.Normalize((1.0, 0.0, 0.5), (1.0, 2.0, 0.5))(x)
    assert y[0, :, 0, 0].tolist() == [0.0, 0.5, 1.0] and x.min() == 1
    for wrong, error in ((x.long(), TypeError), (x[0, 0], ValueError), (np.ones(3), TypeError)):
        with pytest.raises(error, match="normalize"):
            T.Normalize((0.0,), (1.0,))(wrong)
    with pytest.raises(ValueError, match="std evaluated to zero"):
        T.Normalize((0.0,), (0.0,))(x)


# ------------------------------------------------------------------------------------------------------------- geometry
SHAPES = [
    (T.Resize(3), (3, 4)), (T.Resize((5, 2)), (5, 2)), (T.Resize(12, max_size=14), (10, 14)), (T.CenterCrop(4), (4, 4)),
    (T.CenterCrop((8, 10)), (8, 10)), (T.Pad(1), (8, 10)), (T.Pad((1, 2)), (10, 10)),
    (T.Pad((1, 2, 3, 0), padding_mode="edge"), (8, 12)),
    (T.Pad(2, padding_mode="reflect"), (10, 12)), (T.Pad(2, padding_mode="symmetric"), (10, 12)), (T.RandomCrop(4), (4, 4)),
    (T.RandomCrop(9, pad_if_needed=True), (9, 9)), (T.RandomCrop(6, padding=1), (6, 6)), (T.RandomResizedCrop(5), (5, 5)),
    (T.RandomHorizontalFlip(1.0), (6, 8)), (T.RandomVerticalFlip(1.0), (6, 8)), (T.RandomRotation(30), (6, 8)),
    (T.RandomAffine(10, (0.1, 0.2), (0.9, 1.1), 5), (6, 8)), (T.RandomGrayscale(1.0), (6, 8)), (T.Grayscale(3), (6, 8)),
    (T.ColorJitter(0.3, 0.3, 0.3, 0.1), (6, 8)), (T.RandomApply([T.Resize(3)], 1.0), (3, 4)),
    (T.RandomChoice([T.Resize(3)]), (3, 4)), (T.RandomOrder([T.Resize(3), T.Grayscale(3)]), (3, 4)),
]  # fmt: skip


@pytest.mark.parametrize("transform, shape", SHAPES, ids=lambda v: repr(v).replace("\n", ""))
def test_tensors_and_pictures_get_the_same_shape(transform, shape):
    p = picture()
    assert tuple(transform(T.ToTensor()(p)).shape) == (3, *shape)
    assert transform(T.PILToTensor()(p)).dtype is minigrad.uint8
    assert transform(p).size == shape[::-1]


EXACT = [
    T.Pad((1, 2), fill=7), T.Pad(2, padding_mode="reflect"), T.Pad(3, padding_mode="symmetric"), T.Pad(1, padding_mode="edge"),
    T.CenterCrop(4), T.CenterCrop(9), T.RandomHorizontalFlip(1.0), T.RandomVerticalFlip(1.0), T.RandomRotation((90, 90)),
]  # fmt: skip


@pytest.mark.parametrize("transform", EXACT, ids=repr)
def test_tensors_and_pictures_get_the_same_pixels(transform):
    p = picture(7, 7)
    np.testing.assert_array_equal(transform(T.PILToTensor()(p)).numpy().transpose(1, 2, 0), np.asarray(transform(p)))


def test_colours_are_near_those_of_pillow():
    p = picture()
    t = T.PILToTensor()(p)
    for change, factor in ((F.adjust_brightness, 0.5), (F.adjust_contrast, 1.5), (F.adjust_saturation, 0.3), (F.adjust_hue, 0.2)):
        apart = np.abs(change(t, factor).numpy().transpose(1, 2, 0).astype(int) - np.asarray(change(p, factor)).astype(int))
        assert apart.max() <= 2, change.__name__
    with pytest.raises(ValueError, match="hue_factor"):
        F.adjust_hue(t, 0.6)
    with pytest.raises(ValueError, match="non negative"):
        T.ColorJitter(-1)


def test_an_affine_map_moves_pixels():
    x = minigrad.zeros(1, 5, 5)
    x[0, 1, 1] = 1.0
    assert F.affine(x, 0, (2, 1), 1.0, (0.0, 0.0))[0, 2, 3] == 1
    turned = F.rotate(x, 90)
    assert turned[0, 3, 1] == 1  # against the clock
    np.testing.assert_allclose(F.affine(x, -90, (0, 0), 1.0, (0.0, 0.0)).numpy(), turned.numpy())


def test_the_same_seed_gives_the_same_picture_and_chances_are_chances():
    crop = T.RandomCrop(3)
    x = minigrad.arange(64.0).reshape(1, 8, 8)
    minigrad.manual_seed(3)
    first = crop(x)
    minigrad.manual_seed(3)
    assert minigrad.equal(crop(x), first)
    flipped = sum(T.RandomHorizontalFlip(0.25)(x)[0, 0, 0].item() == 7 for _ in range(400))
    assert 60 < flipped < 140
    erased = T.RandomErasing(1.0, value=-1.0)(x)
    share = (erased == -1).float().mean().item()
    assert 0 < share < 0.5 and x.min() == 0
    with pytest.raises(ValueError, match="larger than input"):
        T.RandomCrop(9)(x)


def test_they_print_their_settings():
    assert repr(T.Compose([T.ToTensor(), T.Resize(3)])) == (
        "Compose(\n    ToTensor()\n    Resize(size=3, interpolation=bilinear, max_size=None, antialias=True)\n)"
    )
    with pytest.raises(AttributeError, match=r"has no torchvision\.transforms\.AutoAugment; it has"):
        T.AutoAugment


# ------------------------------------------------------------------------------------------------------------ data sets
def idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(head + array.tobytes()) if path.suffix == ".gz" else head + array.tobytes())


def test_mnist_from_local_files(tmp_path):
    images = np.arange(3 * 784, dtype=np.uint8).reshape(3, 28, 28)
    for kind, suffix in (("train", ""), ("t10k", ".gz")):
        idx(tmp_path / "MNIST" / "raw" / f"{kind}-images-idx3-ubyte{suffix}", images)
        idx(tmp_path / "MNIST" / "raw" / f"{kind}-labels-idx1-ubyte{suffix}", np.array([5, 0, 4], np.uint8))
    for train in (True, False):
        data = datasets.MNIST(str(tmp_path), train=train, download=True, transform=T.ToTensor(), target_transform=lambda y: y + 1)
        x, y = data[2]
        assert len(data) == 3 and y == 5 and x.shape == (1, 28, 28)
        np.testing.assert_allclose(x[0].numpy() * 255, images[2], atol=1e-4)
        assert data.data.dtype is minigrad.uint8 and data.targets.tolist() == [5, 0, 4]
    assert "Number of datapoints: 3" in repr(data) and data.class_to_idx["4 - four"] == 4
    with pytest.raises(RuntimeError, match=r"Dataset not found.*downloads nothing"):
        datasets.KMNIST(tmp_path)


@pytest.mark.parametrize("binary", [False, True])
def test_cifar10_from_local_files(tmp_path, binary):
    rows = np.random.default_rng(0).integers(0, 256, (2, 3072), np.uint8)
    folder = tmp_path / f"cifar-10-batches-{'bin' if binary else 'py'}"
    folder.mkdir()
    for name in ("test_batch", *(f"data_batch_{i}" for i in range(1, 6))):
        if binary:
            np.concatenate([np.array([[3], [9]], np.uint8), rows], 1).tofile(folder / f"{name}.bin")
        else:
            (folder / name).write_bytes(pickle.dumps({"data": rows, "labels": [3, 9], "batch_label": "x"}, protocol=2))
    data = datasets.CIFAR10(tmp_path, train=True)
    p, label = data[1]
    assert len(data) == 10 and label == 9 and data.data.shape == (10, 32, 32, 3)
    np.testing.assert_array_equal(np.asarray(p), rows[1].reshape(3, 32, 32).transpose(1, 2, 0))
    assert len(datasets.CIFAR10(tmp_path, train=False)) == 2
    with pytest.raises(RuntimeError, match="not found"):
        datasets.CIFAR100(tmp_path)


def test_folders_of_pictures_and_fakes(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        picture().save(tmp_path / name / "1.png")
        (tmp_path / name / "notes.txt").write_text("")
    data = datasets.ImageFolder(tmp_path, transform=T.ToTensor())
    assert len(data) == 2 and data[1][1] == 1 and data.classes == ["cat", "dog"] and data[0][0].shape == (3, 6, 8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty"):
        datasets.ImageFolder(tmp_path)
    fake = datasets.FakeData(4, (3, 5, 6), 10, transform=T.PILToTensor())
    assert minigrad.equal(fake[2][0], fake[2][0]) and not minigrad.equal(fake[1][0], fake[2][0])
    with pytest.raises(IndexError):
        fake[4]


# ---------------------------------------------------------------------------------------------------------------- grids
def test_grids(tmp_path):
    grid = utils.make_grid(minigrad.ones(3, 1, 2, 3), nrow=2, padding=1, pad_value=0.5)
    assert grid.shape == (3, 7, 9) and grid[0, 1, 1] == 1 and grid[0, 0, 0] == 0.5 and grid[0, 5, 6] == 0.5
    scaled = utils.make_grid(minigrad.arange(8.0).reshape(2, 1, 2, 2), normalize=True, scale_each=True)
    assert scaled.min() == 0 and scaled.max() == 1
    utils.save_image(minigrad.ones(2, 3, 4, 4), tmp_path / "g.png")
    with Image.open(tmp_path / "g.png") as saved:
        assert saved.size == (14, 8)
    with pytest.raises(TypeError, match="tensor or list of tensors"):
        utils.make_grid(3)
