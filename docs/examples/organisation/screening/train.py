"""Train a model with a preset by its name, and save it: `python train.py screening`."""

import sys
from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from lossplug_core import get_loss

preset = sys.argv[1]
out = Path("models", f"{preset}.keras")

x, benign = load_breast_cancer(return_X_y=True)
cancer = 1 - benign.reshape(-1, 1)
x_train, x_test, y_train, y_test = train_test_split(x, cancer, random_state=0, stratify=cancer)
scaler = StandardScaler().fit(x_train)

keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((30,)), keras.layers.Dense(1, activation="sigmoid")])
model.compile(keras.optimizers.Adam(0.01), loss=get_loss(preset))
model.fit(scaler.transform(x_train), y_train, epochs=20, verbose=0)

called_back = model.predict(scaler.transform(x_test), verbose=0) > 0.03
found = np.mean(called_back[y_test == 1])
spared = np.mean(~called_back[y_test == 0])
out.parent.mkdir(exist_ok=True)
model.save(out)
print(f"{out}: finds {found:.0%} of the cancers, and spares {spared:.0%} of the others")
