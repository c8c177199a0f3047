"""Resident data: the cache of a data set in a device's memory, from which whole batches are cut and augmented."""

from afanet.data.resident.fitting import require_resident as require_resident
from afanet.data.resident.fitting import resident as resident
from afanet.data.resident.split import Resident as Resident
