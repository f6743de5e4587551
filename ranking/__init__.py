"""Stage 2: in what order? Binding of ONNX inputs to columns, composition of gather + model + top-n into one graph, sessions, the ranker stage.

Serving imports `open` (and through it `onnx_ranker`, `session`, `fill`, `plan`, `bound`); a build imports `binding` and `compile`.
Only the build side imports `onnx`.
"""
