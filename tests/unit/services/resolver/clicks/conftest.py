from tests.unit.services.resolver.clicks.spools import fill, open_spool

__all__ = ["fill", "open_spool"]
