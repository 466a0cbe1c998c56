"""Open sessions on PostgreSQL that notice a dead network and are no longer bound by limits meant for applications."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagecraft_raw_sql import postgres_errors as meaning
from stagecraft_raw_sql.source import whoami

if TYPE_CHECKING:
    import psycopg

    from stagecraft_raw_sql.connect import Target

#: A dead client is noticed after 15 + 3 * 5 seconds; a statement whose client died is ended after 2.
_NETWORK = {
    "tcp_keepalives_idle": "15",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "client_connection_check_interval": "2000",
}
_SETTINGS = {
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "transaction_timeout": "0",
    "statement_timeout": "0",
}
_CLIENT = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30000,
}


def settings(*, readonly: bool, lock_timeout: float) -> dict[str, str]:
    """Return the settings of a session; ``lock_timeout`` in seconds."""
    found = {**_SETTINGS, "lock_timeout": str(round(lock_timeout * 1000))}
    return {**found, "default_transaction_read_only": "on"} if readonly else found


def connect(target: Target, values: Mapping[str, str]) -> psycopg.Connection[Any]:
    """Open a session with ``values`` set. Raises UserError for a URL that libpq refuses, ProviderError."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        given = conninfo_to_dict(target.url)
    except psycopg.ProgrammingError:  # its text may hold a part of the URL
        raise meaning.bad_url(target) from None
    options: dict[str, Any] = {**_CLIENT, "application_name": f"stagecraft migrate {whoami()}"[:63], **given}
    try:
        connection = psycopg.connect(**options, client_encoding="UTF8", autocommit=True, prepare_threshold=None)
        tune(connection, values)
    except psycopg.Error as error:
        raise meaning.connecting(error, target.label, str(given.get("password") or "")) from None
    return connection


def tune(connection: psycopg.Connection[Any], values: Mapping[str, str]) -> None:
    """Set what the server knows of ``values``, and the network's settings where its platform has them."""
    import psycopg

    sql = (
        "SELECT set_config(s.name, w.value, false) FROM unnest(%s::text[], %s::text[]) AS w(name, value) "
        "JOIN pg_settings s ON s.name = w.name"  # older servers know fewer
    )
    connection.execute(sql, (list(values), list(values.values())))
    with contextlib.suppress(psycopg.Error):  # some platforms' servers know these and refuse them
        connection.execute(sql, (list(_NETWORK), list(_NETWORK.values())))
