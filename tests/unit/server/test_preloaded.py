"""What the generation may load before it forks."""

import subprocess
import sys

from tests.integration.server_process import environment

PROBE = """
import sys, os
import server.generation
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"grpc", "onnxruntime", "onnx", "pyarrow", "prometheus_client"}), len(os.listdir("/proc/self/task")), "asyncio" in loaded)
"""


def test_neither_grpc_nor_onnxruntime_nor_a_thread_is_there_before_the_fork():
    from server.child import CHILD_ENVIRONMENT

    done = subprocess.run([sys.executable, "-c", PROBE], env={**environment(), **CHILD_ENVIRONMENT}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] 1 True"
