"""The second half of the ranker: a small network, trained on what listeners played among the candidates that retrieval gave them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
import onnx.checker
import onnx.helper
import onnxruntime
from onnx.compose import add_prefix, merge_models
from skl2onnx import to_onnx
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from demo.candidates import retrieve
from demo.features import IR_VERSION, OPSET, feature_graph
from demo.feeds import Feed, Feeds, Moment
from demo.knowledge import Knowledge
from demo.listens import Story
from domain.arrays import BoolArray, FloatArray, RowArray

_NEGATIVES = 30  # candidates that were not played, per session: more of them teach little
_HIDDEN = (48, 24)
_EPOCHS = 12


@dataclass(frozen=True, slots=True)
class TrainedRanker:
    """The fitted pipeline behind the feature graph, and the trainer's own way to score, which the exported file must reproduce."""

    pipeline: Pipeline
    features: onnxruntime.InferenceSession

    def score(self, feed: Feed) -> FloatArray:
        """The probability of a listen per candidate, float32 [n]."""
        scores: FloatArray = self.pipeline.predict_proba(self.features.run(["X"], feed)[0])[:, 1].astype(np.float32)
        return scores


def train(known: Knowledge, story: Story, seed: int) -> TrainedRanker:
    """Fit on the sessions of `story.ranked`."""
    session = _open(feature_graph())
    features, played = zip(*_samples(known, story, session, np.random.default_rng([seed, 4])), strict=True)
    network = MLPClassifier(_HIDDEN, alpha=1e-3, batch_size=512, learning_rate_init=2e-3, max_iter=_EPOCHS, random_state=seed)
    pipeline = make_pipeline(StandardScaler(), network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is the stopping rule
        pipeline.fit(np.concatenate(features), np.concatenate(played))
    return TrainedRanker(pipeline, session)


def export(ranker: TrainedRanker) -> onnx.ModelProto:
    """Features and network as one ONNX model with dynamic rows: outputs `label` int64 [n] and `probabilities` float32 [n, 2]."""
    sample = np.zeros((1, ranker.pipeline.n_features_in_), np.float32)
    network = to_onnx(ranker.pipeline, sample, target_opset={"": OPSET, "ai.onnx.ml": 3}, options={"zipmap": False})
    network.ir_version = IR_VERSION
    network = add_prefix(network, "network_", rename_inputs=False, rename_outputs=False)
    model = merge_models(feature_graph(), network, io_map=[("X", "X")], name="demo_ranker", producer_name="earshot.demo")
    _settle_opsets(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def _settle_opsets(model: onnx.ModelProto) -> None:
    """One import per domain, sorted: the converter writes them twice and in an order that changes from run to run."""
    versions = {entry.domain: entry.version for entry in model.opset_import}
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(domain, version) for domain, version in sorted(versions.items()))


def _open(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # one thread: the order of sums, and so the bytes, stay the same
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _samples(
    known: Knowledge, story: Story, features: onnxruntime.InferenceSession, rng: np.random.Generator
) -> Iterator[tuple[FloatArray, BoolArray]]:
    """Features float32 [m, 51] and whether they were played bool [m], one pair per listener and session."""
    feeds = Feeds(known)
    for listener in np.flatnonzero(~known.world.listeners.newcomer).tolist():
        rows = retrieve(known, listener)
        for session in story.ranked:
            chosen = _choose(rng, rows, np.isin(rows, session.played[listener]))
            moment = Moment(float(session.hour[listener]), int(session.activity[listener]))
            feed = feeds.make(listener, chosen, moment, known.history_then[listener])
            yield features.run(["X"], feed)[0], np.isin(chosen, session.played[listener])


def _choose(rng: np.random.Generator, rows: RowArray, played: BoolArray) -> RowArray:
    """All candidates that were played, and some that were not."""
    return np.concatenate([rows[played], rng.choice(rows[~played], _NEGATIVES, replace=False)])
