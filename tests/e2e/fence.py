"""The fence of a laboratory: to be made inside a network namespace of its own, by root."""
import subprocess


def ip(*args):
    subprocess.run(["ip", *args], check=True)


def put_fence(name="rl-fence"):
    """Make the fence's interface, with the address 192.0.2.1; another name gets the alternative name rl-fence."""
    ip("link", "set", "lo", "up")
    ip("link", "add", name, "type", "veth", "peer", "name", "rl-far")
    if name != "rl-fence":
        ip("link", "property", "add", "dev", name, "altname", "rl-fence")
    ip("link", "set", "rl-far", "up")
    ip("addr", "add", "192.0.2.1/24", "dev", name)
    ip("link", "set", name, "up")
