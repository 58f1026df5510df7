"""Logs: one JSON object a line, on standard output. Nothing about a patient is ever passed to them."""

from __future__ import annotations

import logging


def configure_logs() -> None:
    """Set up a server process's logs; libraries speak from warnings up."""
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processor=structlog.processors.JSONRenderer(),
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    silence_readers()


def silence_readers() -> None:
    """tifffile and pydicom describe every oddity of a file on the log; findings say what matters."""
    for name in ("tifffile", "pydicom", "wsidicom"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
