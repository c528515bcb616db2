"""`make helm`."""

from tests.helm import build

if __name__ == "__main__":
    build()
