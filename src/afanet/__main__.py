"""`python -m afanet`, as launchers such as torchrun call it."""

from afanet.cli import main

raise SystemExit(main())
