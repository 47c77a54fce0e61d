"""Train on several machines with TensorFlow: start this on each, with its own TF_CONFIG.

Usage: TF_CONFIG='{"cluster": {"worker": ["host0:12345", "host1:12345"]},
                   "task": {"type": "worker", "index": 0}}' python workers_tensorflow.py

`fit` of Keras 3 does not know this strategy (keras-team/keras#20585), so the loop is written out.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lossplug_core import TrainingModel, get_loss


def main() -> None:
    """Train, and say what came of it."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else of TensorFlow
    random = np.random.default_rng(0)
    x = random.normal(size=(256, 8)).astype("float32")
    labels = (x[:, 0] > 0).astype("int32") + (x[:, 1] > 0)

    # 64 is the size of the whole batch. All workers have all the data, and take their part of it.
    data = tf.data.Dataset.from_tensor_slices((x, labels)).batch(64)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    batches = strategy.experimental_distribute_dataset(data.with_options(options))

    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        training = TrainingModel(model)
        training.compile("sgd", loss=get_loss("supcon", global_batch=True))
        training.optimizer.build(training.trainable_variables)

    def step_of_replica(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = training.compute_loss(x, y, training(x, training=True))
        gradients = tape.gradient(loss, training.trainable_variables)
        training.optimizer.apply(gradients, training.trainable_variables)
        return loss

    @tf.function
    def step(batch: Any) -> Any:
        return strategy.reduce("SUM", strategy.run(step_of_replica, args=batch), axis=None)

    losses = [np.mean([float(step(batch)) for batch in batches]) for _ in range(3)]
    print(f"{strategy.num_replicas_in_sync} devices: {', '.join(f'{x:.4f}' for x in losses)}")


if __name__ == "__main__":
    main()
