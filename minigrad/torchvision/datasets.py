"""``torchvision.datasets``: MNIST, FashionMNIST, KMNIST, CIFAR10 and CIFAR100 from local files, folders of pictures, and fakes.

Nothing is downloaded: an error names the files and the folder where they are looked for.
"""

import os
import pathlib

import numpy as np

from ..data.dataset import Dataset
from ..data.fashion_mnist import DEBIAN
from ..data.idx import read_idx
from ..ops.random import randint, randn
from ..random import fork_rng, manual_seed
from ..state.pickled import Reader
from .transforms.geometry import pillow, to_pil_image

PICTURES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class VisionDataset(Dataset):
    """A data set in a folder, with a transform for the pictures and one for the labels."""

    def __init__(self, root=None, transforms=None, transform=None, target_transform=None):
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        self.transforms, self.transform, self.target_transform = transforms, transform, target_transform

    def _sample(self, picture, target):
        if self.transform is not None:
            picture = self.transform(picture)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return (picture, target) if self.transforms is None else self.transforms(picture, target)

    def __repr__(self):
        head = f"Dataset {type(self).__name__}\n    Number of datapoints: {len(self)}"
        return head + (f"\n    Root location: {self.root}" if self.root is not None else "")


class MNIST(VisionDataset):
    """Pictures of 28x28 pixels and their labels, from the four IDX files in ``root/MNIST/raw``, ``root/MNIST`` or ``root``.

    Args:
        root: the folder.
        train: the training set or the test set.
        transform: what is done to each picture (mode "L" of Pillow).
        target_transform: what is done to each label.
        download: accepted; nothing is downloaded.

    Raises:
        RuntimeError: where the files are not there, with the places where they were looked for.
    """

    classes = [
        f"{i} - {n}" for i, n in enumerate(("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"))
    ]
    places = ()

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        kind = "train" if train else "t10k"
        self.data, self.targets = self._read(f"{kind}-images-idx3-ubyte"), self._read(f"{kind}-labels-idx1-ubyte").long()

    def _read(self, name):
        base = pathlib.Path(self.root)
        folders = [base / type(self).__name__ / "raw", base / type(self).__name__, base / "raw", base, *self.places]
        for folder in map(pathlib.Path, folders):
            for path in (folder / name, folder / f"{name}.gz"):
                if path.is_file():
                    return read_idx(path)
        raise RuntimeError(
            f"{type(self).__name__}: Dataset not found: no file {name} or {name}.gz in {', '.join(map(str, folders))}. minigrad "
            f"downloads nothing here: put the four files of the data set there"
        )

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        picture = pillow().fromarray(self.data[index].numpy(), mode="L") if self.data.ndim == 3 else self.data[index]
        return self._sample(picture, int(self.targets[index]))

    @property
    def class_to_idx(self):
        return {name: i for i, name in enumerate(self.classes)}


class FashionMNIST(MNIST):
    """Clothes in the form of :class:`MNIST`; Debian's package ``dataset-fashion-mnist`` is found by itself."""

    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
    places = (DEBIAN,)


class KMNIST(MNIST):
    """Japanese characters in the form of :class:`MNIST`."""

    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


class CIFAR10(VisionDataset):
    """Pictures of 32x32 pixels in colours and their labels, from ``root/cifar-10-batches-py`` (or ``-bin``).

    The files are pickles; they are read without executing anything. Arguments and errors are those of :class:`MNIST`.
    """

    folder, labels, names = "cifar-10-batches", "labels", "label_names"
    training, test, meta = [f"data_batch_{i}" for i in range(1, 6)], ["test_batch"], "batches.meta"
    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    head = 1  # bytes in front of each picture in the binary form; the last is the label

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train, self.targets, parts = train, [], []
        for name in self.training if train else self.test:
            data, targets = self._read(name)
            parts.append(data)
            self.targets.extend(targets)
        self.data = np.concatenate(parts).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # (N, H, W, C)
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def _read(self, name):
        pickled = pathlib.Path(self.root, f"{self.folder}-py", name)
        binary = pathlib.Path(self.root, f"{self.folder}-bin", f"{name}.bin")
        if pickled.is_file():
            with open(pickled, "rb") as file:
                entry = Reader(file, None, False, str(pickled), encoding="latin1").load()
            return entry["data"], entry[self.labels]
        if binary.is_file():
            rows = np.fromfile(binary, np.uint8).reshape(-1, self.head + 3072)
            return rows[:, self.head :], rows[:, self.head - 1].tolist()
        raise RuntimeError(
            f"{type(self).__name__}: Dataset not found or corrupted: neither {pickled} nor {binary} is there. minigrad downloads "
            f"nothing here: unpack the data set's archive in {self.root}"
        )

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self._sample(pillow().fromarray(np.ascontiguousarray(self.data[index])), self.targets[index])


class CIFAR100(CIFAR10):
    """A hundred classes in the form of :class:`CIFAR10`, from ``root/cifar-100-python`` (or ``cifar-100-binary``)."""

    labels, training, test, head = "fine_labels", ["train"], ["test"], 2
    classes = [str(i) for i in range(100)]

    def _read(self, name):
        path = pathlib.Path(self.root, "cifar-100-python", name)
        if not path.is_file():
            raise RuntimeError(
                f"CIFAR100: Dataset not found or corrupted: no file {path}; unpack the data set's archive in {self.root}"
            )
        with open(path, "rb") as file:
            entry = Reader(file, None, False, str(path), encoding="latin1").load()
        return entry["data"], entry[self.labels]


class FakeData(VisionDataset):
    """Noise with random labels: a data set of any size that needs no files."""

    def __init__(
        self, size=1000, image_size=(3, 224, 224), num_classes=10, transform=None, target_transform=None, random_offset=0
    ):
        super().__init__(None, transform=transform, target_transform=target_transform)
        self.size, self.image_size, self.num_classes, self.random_offset = size, image_size, num_classes, random_offset

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        if index >= self.size:
            raise IndexError(f"{type(self).__name__} index out of range")
        with fork_rng():
            manual_seed(index + self.random_offset)
            picture, target = randn(*self.image_size), randint(0, self.num_classes, (1,)).item()
        return self._sample(to_pil_image(picture), target)


def default_loader(path):
    """A picture in a file, in colours."""
    with open(path, "rb") as file:
        return pillow().open(file).convert("RGB")


class DatasetFolder(VisionDataset):
    """A folder with a folder of files for each class."""

    def __init__(
        self, root, loader, extensions=None, transform=None, target_transform=None, is_valid_file=None, allow_empty=False
    ):
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.loader = loader
        self.classes, self.class_to_idx = self.find_classes(root)
        good = is_valid_file or (lambda path: path.lower().endswith(tuple(extensions)))
        self.samples = self.imgs = [
            (path, self.class_to_idx[name])
            for name in self.classes
            for path in sorted(self._files(os.path.join(root, name)))
            if good(path)
        ]
        self.targets = [target for _, target in self.samples]
        empty = set(self.class_to_idx) - {self.classes[t] for t in self.targets}
        if empty and not allow_empty:
            raise FileNotFoundError(f"Found no valid file for the classes {', '.join(sorted(empty))} in {root}")

    @staticmethod
    def _files(folder):
        return [os.path.join(place, name) for place, _, names in os.walk(folder, followlinks=True) for name in names]

    @staticmethod
    def find_classes(directory):
        """The names of the folders, and their numbers."""
        classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
        if not classes:
            raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
        return classes, {name: i for i, name in enumerate(classes)}

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        path, target = self.samples[index]
        return self._sample(self.loader(path), target)


class ImageFolder(DatasetFolder):
    """A folder with a folder of pictures for each class."""

    def __init__(self, root, transform=None, target_transform=None, loader=default_loader, is_valid_file=None, allow_empty=False):
        super().__init__(root, loader, PICTURES, transform, target_transform, is_valid_file, allow_empty)


def __getattr__(name):
    raise AttributeError(
        f"minigrad has no torchvision.datasets.{name}; it has MNIST, FashionMNIST, KMNIST, CIFAR10, CIFAR100, ImageFolder, "
        f"DatasetFolder and FakeData"
    )
