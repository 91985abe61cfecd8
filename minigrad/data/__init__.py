"""Datasets, samplers and the DataLoader. ``minigrad.utils.data`` is the same under PyTorch's path."""

from .collate import default_collate as default_collate
from .collate import default_convert as default_convert
from .dataset import ChainDataset as ChainDataset
from .dataset import ConcatDataset as ConcatDataset
from .dataset import Dataset as Dataset
from .dataset import IterableDataset as IterableDataset
from .dataset import StackDataset as StackDataset
from .dataset import Subset as Subset
from .dataset import TensorDataset as TensorDataset
from .dataset import random_split as random_split
from .digits import DIGITS_SOURCE as DIGITS_SOURCE
from .digits import digits as digits
from .fashion_mnist import FASHION_MNIST_CLASSES as FASHION_MNIST_CLASSES
from .fashion_mnist import FASHION_MNIST_SOURCE as FASHION_MNIST_SOURCE
from .fashion_mnist import fashion_mnist as fashion_mnist
from .idx import read_idx as read_idx
from .loader import DataLoader as DataLoader
from .sampler import BatchSampler as BatchSampler
from .sampler import RandomSampler as RandomSampler
from .sampler import Sampler as Sampler
from .sampler import SequentialSampler as SequentialSampler
from .sampler import SubsetRandomSampler as SubsetRandomSampler
from .sampler import WeightedRandomSampler as WeightedRandomSampler
from .worker import WorkerInfo as WorkerInfo
from .worker import get_worker_info as get_worker_info
