"""Resident data: a data set's cache in a device's memory, which cuts and augments whole batches there."""

from afanet.data.resident.fitting import require_resident as require_resident
from afanet.data.resident.fitting import resident as resident
from afanet.data.resident.split import Resident as Resident
