"""The main job: a small convolutional network learns to read handwritten digits, and every step of it can be seen."""

import json
import pathlib
import tempfile
import textwrap
import time

import minigrad
from minigrad import nn

from .data import DataLoader, digits
from .data.digits import DIGITS_SOURCE
from .nn.evaluating import evaluating
from .teach import explain_step, summary

WIDTH = 100  # of what is printed
SHOWN, IN_A_ROW = 20, 5  # predictions in the picture
SHADES = " .:-=+*#%@"


def network():
    """Two convolutions, one pooling, two linear layers: (N, 1, 8, 8) -> (N, 10)."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),  # (N, 16, 8, 8)
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),  # (N, 32, 8, 8)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 32, 4, 4)
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(32 * 4 * 4, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def train(model, data, arguments, device, say):
    """Adam on cross-entropy; yields (epoch, loss, training accuracy)."""
    optimizer = minigrad.optim.Adam(model.parameters(), lr=arguments.lr)
    schedule = minigrad.optim.lr_scheduler.CosineAnnealingLR(optimizer, arguments.epochs)
    loader = DataLoader(data, batch_size=arguments.batch_size, shuffle=True)
    model.train()
    for epoch in range(1, arguments.epochs + 1):
        total = right = 0.0
        for images, labels in say.progress(loader, f"epoch {epoch}/{arguments.epochs}"):
            images, labels = images.to(device), labels.to(device)
            logits = model(images)
            loss = nn.functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
            right += (logits.argmax(1) == labels).sum().item()
        schedule.step()
        yield epoch, total / len(data), right / len(data)


def predict(model, images, batch=256):
    """The class numbers that the model gives, without dropout and without recording."""
    with evaluating(model), minigrad.no_grad():
        return minigrad.cat([model(images[i : i + batch]).argmax(1) for i in range(0, len(images), batch)])


def accuracy(model, images, labels):
    return (predict(model, images) == labels).float().mean().item()


# -------------------------------------------------------------------------------------------------------------- the story
class Teller:
    """Prints for people; stays silent for ``--json``."""

    def __init__(self, quiet):
        self.quiet = quiet

    def __call__(self, text=""):
        if not self.quiet:
            print(text, flush=True)

    def title(self, text):
        self(f"\n{text}\n{'-' * len(text)}")

    def progress(self, loader, label):
        """The loader with a progress bar, where somebody can see it."""
        from tqdm import tqdm

        return tqdm(loader, desc=label, leave=False, disable=True if self.quiet else None, unit="batch")


def run(arguments):
    """Everything that ``python -m minigrad demo`` shows. Returns the facts as a dictionary."""
    started = time.perf_counter()
    say = Teller(arguments.json)
    device = minigrad.zeros(1, device=arguments.device).device  # fails here, before any work, where there is no such device
    folder = writable(arguments.out)
    minigrad.manual_seed(arguments.seed)
    facts = {"seed": arguments.seed, "device": str(device), "folder": str(folder.resolve()), "epochs": []}

    train_data, test_data = digits()
    images, labels = (t.to(device) for t in test_data.tensors)
    say.title("The data")
    say(f"{len(train_data)} handwritten digits to learn from and {len(test_data)} that are never trained on, 8x8 pixels each.")
    say(textwrap.fill(DIGITS_SOURCE, WIDTH))
    model = network().to(device)
    say.title("The network")
    say(summary(model, images[:1]))

    say.title("Training")
    for epoch, loss, right in train(model, train_data, arguments, device, say):
        say(f"epoch {epoch:2}/{arguments.epochs}   loss {loss:.4f}   training accuracy {right:.4f}")
        facts["epochs"].append({"epoch": epoch, "loss": loss, "training_accuracy": right})
    facts["test_accuracy"] = accuracy(model, images, labels)
    say(f"test accuracy: {facts['test_accuracy']:.4f}")

    _one_step(model, images, labels, say)
    _save_and_load(model, images, folder, facts, say)
    _quantize(model, images, labels, folder, facts, say)
    _predictions(model, images, labels, folder, facts, say)
    facts["seconds"] = round(time.perf_counter() - started, 1)
    _what_next(facts, say)
    if arguments.json:
        print(json.dumps(facts, indent=2))
    return facts


def writable(out):
    """The folder ``out``, made where it is not there; OSError, before any work, where nothing can be written to it."""
    folder = pathlib.Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        reason = "it is no folder" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        raise OSError(f"cannot write to {folder}: {reason}; choose another folder with --out") from None
    return folder


def _one_step(model, images, labels, say):
    """Backpropagation for the test image with the largest loss: the one whose gradients are worth looking at."""
    with evaluating(model), minigrad.no_grad():
        losses = nn.functional.cross_entropy(model(images), labels, reduction="none")
        worst = int(losses.argmax())
        guess, label = int(model(images[worst : worst + 1]).argmax()), int(labels[worst])
    say.title("One step of backpropagation, with real numbers")
    say(f"The test image that the network reads worst, taken for {guess} with the true class {label}:\n")
    say(textwrap.indent(picture_text([(images[worst, 0].tolist(), guess, label)]), "    ") + "\n")
    say(explain_step(model, images[worst : worst + 1], label))


def _save_and_load(model, images, folder, facts, say):
    path = folder / "digits.safetensors"
    minigrad.save(model.state_dict(), path)
    loaded = network().to(images.device)
    loaded.load_state_dict(minigrad.load(path))
    with evaluating(model), evaluating(loaded), minigrad.no_grad():
        facts["predictions_identical"] = model(images).equal(loaded(images))
    facts["file_bytes"] = path.stat().st_size
    say.title("Saved and loaded")
    same = "identical" if facts["predictions_identical"] else "DIFFERENT"
    say(f"{path}, {facts['file_bytes']:,} bytes. A new network that loads it gives {same} predictions.")


def _quantize(model, images, labels, folder, facts, say):
    small = minigrad.quantize(model)
    path = folder / "digits-int8.safetensors"
    minigrad.save(small.state_dict(), path)
    report = minigrad.compress.report(model, small, images, labels)
    facts["int8_file_bytes"], facts["int8_test_accuracy"] = path.stat().st_size, report.accuracy[1]
    say.title("Quantized to int8")
    say(f"{path} holds every weight as a whole number from -127 to 127.\n\n{report}")


def _predictions(model, images, labels, folder, facts, say):
    """Twenty test images with what the network says, mistakes first: a PNG where matplotlib is installed, else text."""
    guesses = predict(model, images)
    right = guesses == labels
    order = minigrad.argsort(right.long(), stable=True)[:SHOWN].tolist()
    pictures = [(images[i, 0].tolist(), int(guesses[i]), int(labels[i])) for i in order]
    figure = canvas(9, 8)
    if figure is None:
        path = folder / "predictions.txt"
        path.write_text(picture_text(pictures) + "\n")
    else:
        path = folder / "predictions.png"
        draw(figure, pictures)
        figure.savefig(path, dpi=100)
    facts["wrong"], facts["picture"] = int((~right).sum()), str(path)
    say.title("Predictions")
    say(f"{facts['wrong']} of {len(labels)} test images are read wrong. They come first in {path}\n")
    say(picture_text(pictures[:IN_A_ROW]))


def picture_text(pictures):
    """(8x8 numbers, guess, label) as text, five side by side."""
    rows = []
    for start in range(0, len(pictures), IN_A_ROW):
        few = pictures[start : start + IN_A_ROW]
        rows.append("   ".join(f"{_verdict(guess, label):16}" for _, guess, label in few).rstrip())
        for lines in zip(*(image for image, _, _ in few)):
            rows.append("   ".join("".join(SHADES[min(9, int(v * 10))] * 2 for v in line) for line in lines).rstrip())
        rows.append("")
    return "\n".join(rows[:-1])


def _verdict(guess, label):
    return f"read as {guess}" if guess == label else f"read as {guess}, is {label}"


def canvas(width, height):
    """An empty matplotlib figure that draws into memory, so that no window can open; None where there is no matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except Exception:  # not installed, or not in working order
        return None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def draw(figure, pictures):
    """The same as a matplotlib figure."""
    for i, (image, guess, label) in enumerate(pictures):
        axes = figure.add_subplot(-(-len(pictures) // IN_A_ROW), IN_A_ROW, i + 1)
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(_verdict(guess, label), color="black" if guess == label else "crimson")
        axes.set_xticks([])
        axes.set_yticks([])


def _what_next(facts, say):
    here = pathlib.Path(minigrad.__file__).parent
    examples = sorted(p.name for p in (here.parent / "examples").glob("*.py"))
    rows = [
        ("python -m minigrad demo --seed 1 --epochs 30", "another start, and a longer run"),
        ("python -m minigrad demo --help", "every option"),
        (f"{here / 'demo.py'}", "this program, to read and to change"),
    ]
    if examples:
        rows.append((f"{here.parent / 'examples'}", "more to read from top to bottom: " + ", ".join(examples)))
    width = max(len(what) for what, _ in rows)
    say.title("What to try next")
    say("\n".join(f"{what:{width}}   {why}" for what, why in rows))
    say(f"\nAll files are in {facts['folder']}. It took {facts['seconds']} s.")
