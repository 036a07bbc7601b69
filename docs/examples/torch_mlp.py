"""A PyTorch network: no Keras, and no base class.

mnistlab validate --pipeline torch_mlp.py:TorchMlp
"""

import numpy as np
import torch
from torch import nn

from mnistlab import Pipeline, Spec, bounds_of


class TorchMlp:
    """Two linear layers that end in logits; `predict` applies the softmax."""

    prepare_images, prepare_labels = Pipeline.prepare_images, Pipeline.prepare_labels
    spec = Spec(
        layers=None,  # this and the next four are for Keras models only
        optimizer=None,
        learning_rate=None,
        loss=None,
        metric=None,
        epochs=5,
        batch_size=64,
        bounds=bounds_of({"test accuracy": 0.95}),
    )

    def build(self, seed):
        """Return the untrained network."""
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))

    def fit(self, model, images, labels, *, seed, epochs=None):
        """Train on all but the last fifth, in a new order every epoch."""
        count = self.spec.trained_on(len(images))
        x, y = torch.tensor(images), torch.tensor(labels.argmax(axis=1))
        loss_of = nn.CrossEntropyLoss()
        optimizer = torch.optim.Adam(model.parameters())
        generator = torch.Generator().manual_seed(seed)
        history = {"loss": [], "accuracy": [], "val_loss": [], "val_accuracy": []}
        for _ in range(epochs or self.spec.epochs):
            model.train()
            for batch in torch.randperm(count, generator=generator).split(self.spec.batch_size):
                optimizer.zero_grad()
                loss_of(model(x[batch]), y[batch]).backward()
                optimizer.step()
            model.eval()
            for prefix, part in (("", slice(count)), ("val_", slice(count, None))):
                with torch.no_grad():
                    logits = model(x[part])
                history[f"{prefix}loss"].append(float(loss_of(logits, y[part])))
                right = (logits.argmax(dim=1) == y[part]).float().mean()
                history[f"{prefix}accuracy"].append(float(right))
        return history

    def predict(self, model, images):
        """Return the probabilities of the ten digits."""
        model.eval()
        with torch.no_grad():
            return model(torch.tensor(np.array(images))).softmax(dim=1).numpy()
