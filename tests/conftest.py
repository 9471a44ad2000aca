"""What holds for every test: no example fails because the machine is slow."""

from hypothesis import settings

settings.register_profile("opalink", deadline=None)
settings.load_profile("opalink")
