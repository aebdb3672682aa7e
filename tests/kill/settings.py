"""Settings of a private installation whose processes are killed: the product's own, on a faster clock."""

from ledgerhub.settings import *  # noqa: F403
from ledgerhub.settings import Q_CLUSTER as _PRODUCT

# Waiting jobs are looked for more often, so that the tests are over sooner; nothing else differs.
Q_CLUSTER = {**_PRODUCT, "poll": 0.1}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
