from tests.unit.shared.http.fast_path_server import fast_path, runner, streams

__all__ = ["fast_path", "runner", "streams"]
