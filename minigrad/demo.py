"""The main job: a small convolutional network learns to read handwritten digits, and every step of it can be seen."""

import json
import pathlib
import time

import minigrad
from minigrad import nn

from .data import DataLoader, digits
from .data.digits import DIGITS_SOURCE
from .teach import explain_step, summary


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


def predict(model, images, batch=256):
    """The class numbers that the model gives, without dropout and without recording."""
    model.eval()
    with minigrad.no_grad():
        return minigrad.cat([model(images[i : i + batch]).argmax(1) for i in range(0, len(images), batch)])


def accuracy(model, images, labels):
    return (predict(model, images) == labels).float().mean().item()


def train(model, data, arguments, device, say):
    """Adam on cross-entropy; yields (epoch, loss, training accuracy)."""
    optimizer = minigrad.optim.Adam(model.parameters(), lr=arguments.lr)
    schedule = minigrad.optim.lr_scheduler.CosineAnnealingLR(optimizer, arguments.epochs)
    loader = DataLoader(data, batch_size=arguments.batch_size, shuffle=True)
    for epoch in range(1, arguments.epochs + 1):
        model.train()
        total = right = seen = 0.0
        for images, labels in say.progress(loader, f"epoch {epoch}/{arguments.epochs}"):
            images, labels = images.to(device), labels.to(device)
            logits = model(images)
            loss = nn.functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(labels)
            right += (logits.argmax(1) == labels).sum().item()
            seen += len(labels)
        schedule.step()
        say(f"epoch {epoch:2}/{arguments.epochs}   loss {total / seen:.4f}   training accuracy {right / seen:.4f}")
        yield epoch, total / seen, right / seen


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
        from tqdm import tqdm

        return tqdm(loader, desc=label, leave=False, disable=None if not self.quiet else True, unit="batch")


def run(arguments):
    """Everything that ``python -m minigrad demo`` shows. Returns the facts as a dictionary."""
    started = time.perf_counter()
    say = Teller(arguments.json)
    folder = pathlib.Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    device = minigrad.device(arguments.device)
    minigrad.manual_seed(arguments.seed)
    facts = {"seed": arguments.seed, "epochs": []}

    train_data, test_data = digits()
    images, labels = (t.to(device) for t in test_data.tensors)
    say.title("The data")
    say(f"{len(train_data)} handwritten digits to learn from, {len(test_data)} never trained on, 8x8 pixels each.\n{DIGITS_SOURCE}")
    model = network().to(device)
    say.title("The network")
    say(summary(model, images[:1]))

    say.title("Training")
    for epoch, loss, right in train(model, train_data, arguments, device, say):
        facts["epochs"].append({"epoch": epoch, "loss": loss, "training_accuracy": right})
    facts["test_accuracy"] = accuracy(model, images, labels)
    say(f"test accuracy: {facts['test_accuracy']:.4f}")

    say.title("One step of backpropagation, with real numbers")
    hardest = _hardest(model, images, labels)
    say(explain_step(model, images[hardest : hardest + 1], int(labels[hardest])))

    _save_and_load(model, images, folder, facts, say, device)
    _quantize(model, images, labels, folder, facts, say, train_data)
    _picture(model, images, labels, folder, facts, say)
    facts["seconds"] = round(time.perf_counter() - started, 1)
    _what_next(folder, facts, say)
    if arguments.json:
        print(json.dumps(facts, indent=2))
    return facts


def _hardest(model, images, labels):
    """The test image with the largest loss: the one whose gradients are worth looking at."""
    model.eval()
    with minigrad.no_grad():
        return int(nn.functional.cross_entropy(model(images), labels, reduction="none").argmax())


def _save_and_load(model, images, folder, facts, say, device):
    path = folder / "digits.safetensors"
    minigrad.save(model.state_dict(), path)
    loaded = network().to(device)
    loaded.load_state_dict(minigrad.load(path))
    model.eval(), loaded.eval()
    with minigrad.no_grad():
        facts["predictions_identical"] = bool((model(images) == loaded(images)).all())
    facts["file_bytes"] = path.stat().st_size
    say.title("Save and load")
    same = "identical" if facts["predictions_identical"] else "DIFFERENT"
    say(f"saved to {path} ({facts['file_bytes']:,} bytes), loaded into a new network: its outputs are {same}")


def _quantize(model, images, labels, folder, facts, say, train_data):
    small = minigrad.quantize(model)
    path = folder / "digits-int8.safetensors"
    minigrad.save(small.state_dict(), path)
    facts["int8_file_bytes"], facts["int8_test_accuracy"] = path.stat().st_size, accuracy(small, images, labels)
    say.title("Quantized to int8")
    say(f"             {'float32':>10}  {'int8':>10}\nfile bytes   {facts['file_bytes']:>10,}  {facts['int8_file_bytes']:>10,}"
        f"\naccuracy     {facts['test_accuracy']:>10.4f}  {facts['int8_test_accuracy']:>10.4f}")  # fmt: skip


def _picture(model, images, labels, folder, facts, say):
    """Twenty test images with what the network says, mistakes first: a PNG where matplotlib is installed, else text."""
    guesses = predict(model, images)
    order = minigrad.argsort((guesses == labels).long(), stable=True)[:20].tolist()
    try:
        import matplotlib
    except ImportError:
        path = folder / "predictions.txt"
        path.write_text("\n".join(_text_image(images[i], guesses[i].item(), labels[i].item()) for i in order))
    else:
        path = folder / "predictions.png"
        _draw(matplotlib, [(images[i, 0].cpu().numpy(), guesses[i].item(), labels[i].item()) for i in order], path)
    facts["picture"] = str(path)
    say.title("Predictions")
    say(f"{int((guesses != labels).sum())} of {len(labels)} test images are read wrong; they come first in {path}")


def _text_image(image, guess, label):
    shades = " .:-=+*#%@"
    rows = ["".join(shades[min(9, int(v * 9.99))] * 2 for v in row) for row in image[0].tolist()]
    return "\n".join([f"read as {guess}, is {label}{'' if guess == label else '   <- wrong'}", *rows, ""])


def _draw(matplotlib, pictures, path):
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # draws into memory: no window can open
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 8.5), layout="constrained")
    FigureCanvasAgg(figure)
    for i, (image, guess, label) in enumerate(pictures):
        axes = figure.add_subplot(4, 5, i + 1)
        axes.imshow(image, cmap="gray_r")
        axes.set_title(f"read as {guess}, is {label}", color="black" if guess == label else "red")
        axes.axis("off")
    figure.savefig(path, dpi=90)


def _what_next(folder, facts, say):
    say.title("What to try next")
    say(f"""python -m minigrad demo --seed 1 --epochs 30     another start, a longer run
python -m minigrad demo --help                   every option
{pathlib.Path("examples") / "two_moons.py"}, {pathlib.Path("examples") / "gpt.py"}           smaller and larger networks, to read from top to bottom
{pathlib.Path(minigrad.__file__).parent / "demo.py"}   this program
All files are in {folder.resolve()}; it took {facts["seconds"]} s.""")
