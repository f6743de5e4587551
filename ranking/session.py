"""ONNX Runtime sessions as we want them, and which execution provider they run on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime as ort

from domain.errors import ArtifactError, ArtifactReason, ConfigurationError, ProviderUnavailable
from ranking.complaint import first_line

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
PROVIDERS = ("cpu", "cuda", "auto")
Run = Callable[[Sequence[str], Mapping[str, object], None], list[Any]]
FATAL = 4  # the runtime's log level: what it complains about arrives as an exception, and we log that


@dataclass(frozen=True, slots=True)
class ServedSession:
    """A session with the provider that was asked for ("cpu", "cuda", "auto") and the one that runs it ("cpu", "cuda").

    `run` of the session may be called from several threads at a time.
    """

    session: ort.InferenceSession
    asked: str
    provider: str

    @property
    def run(self) -> Run:
        """The session's own `run` (output names, feeds, None), without the checks of the feeds that onnxruntime makes in Python at each call: nine
        calls of functions, 10 us where the caches are cold. Whether a ranker's feeds fit was proven when its bundle was built; what does not fit
        raises here too, from inside."""
        run: Run = self.session._sess.run  # noqa: SLF001  # no public name has it
        return run

    @property
    def fell_back(self) -> bool:
        """Whether "auto" found the GPU's provider and had to do without it: answers name it as the degradation FALLBACK_PROVIDER."""
        return self.asked == "auto" and self.provider != "cuda" and CUDA in ort.get_available_providers()


def session_options(threads: int = 1) -> ort.SessionOptions:
    """Options of a session whose `run` works on the caller's thread.

    threads: of one call; 1 means no pool and no spinning at all. No memory pattern: the number of candidates differs from request to request, and
    it would keep a plan for every shape seen. The arena is on: request threads then share its blocks, which are warm in the cache, where malloc
    gives each thread its own: 2 to 5 % less CPU per request in a server of four threads, and no difference with one.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = True
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = FATAL
    return options


def open_session(path: Path, provider: str = "cpu", threads: int = 1) -> ServedSession:
    """Create the session for the graph at `path`. Holds the interpreter lock meanwhile: never call it while serving.

    "cuda" never falls back: ProviderUnavailable when there is no CUDA provider or the session did not take it. "auto" says what it took.
    Raises ConfigurationError for another provider, ArtifactError(MODEL_INVALID) when the runtime refuses the file.
    """
    if provider not in PROVIDERS:
        raise ConfigurationError(f'provider is "{provider}"; choose one of {", ".join(PROVIDERS)}')
    available = ort.get_available_providers()
    if provider == "cuda" and CUDA not in available:
        raise ProviderUnavailable(
            f"provider cuda was asked for, but this ONNX Runtime {ort.__version__} has only {', '.join(available)}; "
            "install onnxruntime-gpu, or choose --provider cpu or auto"
        )
    session = _create_on_gpu(path, threads) if provider != "cpu" and CUDA in available else None
    if session is None and provider == "cuda":
        raise ProviderUnavailable(
            "provider cuda was asked for, but the GPU did not take the model; check driver and CUDA libraries, or choose --provider cpu or auto"
        )
    if session is None:
        return ServedSession(_create(path, (CPU,), threads), provider, "cpu")
    return ServedSession(session, provider, "cuda")


def _create_on_gpu(path: Path, threads: int) -> ort.InferenceSession | None:
    """A session on the GPU, or None when it cannot be had. A bad file shows itself on the CPU, too."""
    try:
        session = _create(path, (CUDA, CPU), threads)
    except ArtifactError:
        return None
    return session if CUDA in session.get_providers() else None


def _create(path: Path, providers: tuple[str, ...], threads: int) -> ort.InferenceSession:
    try:
        # enable_fallback: otherwise the runtime prints, and quietly rebuilds a failing session on the CPU
        session = ort.InferenceSession(str(path), session_options(threads), providers=list(providers), enable_fallback=0)
    except Exception as problem:
        raise ArtifactError(
            path, ArtifactReason.MODEL_INVALID, f"ONNX Runtime refuses it ({first_line(problem)}); export the model again"
        ) from problem
    session.disable_fallback()
    return session
