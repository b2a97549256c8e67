import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest

import internet


@pytest.fixture(scope="module")
def class_net(tmp_path_factory):
    """Return the servers of the class Internet, one instance for all tests of a file."""
    net = internet.ClassInternet(tmp_path_factory.mktemp("class"))
    yield net
    net.stop()
