"""``SummaryWriter``: event files for TensorBoard, written without TensorFlow."""

from .writer import FileWriter as FileWriter
from .writer import SummaryWriter as SummaryWriter
