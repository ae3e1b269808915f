"""How the annotations of the library are checked while tests run; see conftest.py."""

from beartype import BeartypeConf, beartype

# as type checkers do, let an int stand where a float is asked for
typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))
