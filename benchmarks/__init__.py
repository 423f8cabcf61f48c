"""What this library costs, beside others, measured in one run over one server: ``python -m benchmarks``."""
