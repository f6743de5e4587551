"""The rankers that are measured: one of each shape that teams export, full-size, seeded and untrained, written as ONNX without any library that
would train them."""
