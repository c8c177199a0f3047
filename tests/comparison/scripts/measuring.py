"""Begins what takes ten minutes in another process, and says the number of that process: `costs` or `loader`."""

import os
import sys
import time

from afanet.comparison import costs
from afanet.data.parallel import in_order
from afanet.recipe.load import load_recipe


def sleep(_: object) -> None:
    print(os.getpid(), flush=True)
    time.sleep(600 if sys.argv[1] == "costs" else 1)


if __name__ == "__main__":
    costs._measure = sleep
    if sys.argv[1] == "costs":
        costs.measure(load_recipe("rooms"))
    else:
        for _ in in_order(sleep, range(600), workers=1):
            pass
