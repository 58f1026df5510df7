"""The log's chains, its search and its verification: `python tests/benchmarks/log.py [write] [search] [verify]`

    write    the same transaction with and without chaining, 16 connections, over 4 providers and all on one
    search   questions of log reviewers to 2,000,000 entries, and whether any reads a table from end to end
    verify   how fast chains are computed again

The transaction is a request's: act for a provider, look up three rows, add one, write one entry with one subject.
Chaining is switched off by another trigger in the place of the linking one, in rounds that alternate, so that
whatever else the machine does hits both alike. Figures hold for the day they were taken; quote the ratios.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing.queues import Queue
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from makers import folder_for_everyone
from product import Database, cloned
from rich.console import Console
from rich.table import Table
from sqlalchemy import event as listening
from sqlalchemy import text
from sqlalchemy.orm import Session

from cases.access.audit import Event, Outcome, Subject, link, record
from cases.access.log import search as log_search
from cases.access.log.chain import verify
from cases.access.log.search import Question, Whose
from cases.database import act_for, connect, new_id, sessions
from cases.migrate import migrate
from viewer.embedded import EmbeddedPostgreSQL, addresses

PROCESSES, THREADS = 4, 4
"""Sixteen connections."""
ROUNDS, SECONDS = 5, 3.0
PROVIDERS = [uuid.UUID(int=number) for number in range(1, 5)]
ENTRIES = 2_000_000
CHAINED = 100_000
PATIENTS, PEOPLE = 60_000, 400

PREPARE = """
CREATE SEQUENCE place START 1000000000;
GRANT USAGE ON place TO samsyn_app;
CREATE FUNCTION do_not_link() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.seq := nextval('place');
    NEW.prev_hash := NEW.hash;
    RETURN NEW;
END $$;
CREATE TRIGGER plain BEFORE INSERT ON audit_event FOR EACH ROW EXECUTE FUNCTION do_not_link();
CREATE TABLE work (id uuid PRIMARY KEY, care_provider_id uuid NOT NULL, told text NOT NULL);
INSERT INTO work SELECT gen_random_uuid(), gen_random_uuid(), 'something' FROM generate_series(1, 1000);
GRANT SELECT, INSERT ON work TO samsyn_app;
"""


def transact(session: Session, provider_id: uuid.UUID) -> None:
    """What a request does."""
    act_for(session, provider_id)
    for _ in range(3):
        session.execute(text("SELECT * FROM work WHERE id = :id"), {"id": uuid.uuid4()}).all()
    row = {"id": new_id(), "provider": provider_id}
    session.execute(text("INSERT INTO work VALUES (:id, :provider, 'something new')"), row)
    about = Subject(kind="patient", id=row["id"], patient_id=row["id"], provider_id=provider_id, unit_id=provider_id)
    record(session, Event.CASE_VIEWED, by=None, provider_id=provider_id, subjects=[about], args={"slides": 3})
    link(session)


def keep_on(url: str, spread: int, seconds: float, done: Queue[int]) -> None:
    """One process: several threads write until the time is over, and say how often they committed."""
    engine = connect(url, connections=THREADS)
    make, counts = sessions(engine), [0] * THREADS
    end = time.monotonic() + seconds

    def work(number: int) -> None:
        while time.monotonic() < end:
            with make.begin() as session:
                transact(session, PROVIDERS[number % spread])
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()
    done.put(sum(counts))


def rate(database: Database, *, chained: bool, spread: int) -> float:
    """Transactions a second at 16 connections."""
    on, off = ("link", "plain") if chained else ("plain", "link")
    database.query(f"ALTER TABLE audit_event DISABLE TRIGGER {off}")
    database.query(f"ALTER TABLE audit_event ENABLE TRIGGER {on}")
    context = multiprocessing.get_context("spawn")
    done: Queue[int] = context.Queue()
    arguments = (database.url("samsyn_app"), spread, SECONDS, done)
    processes = [context.Process(target=keep_on, args=arguments) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    total = sum(done.get() for _ in processes)
    for process in processes:
        process.join()
    return total / SECONDS


def compare_writing(database: Database, console: Console) -> None:
    """Rates with and without chaining, and the median of their ratios."""
    for statement in PREPARE.replace("$$;\nCREATE TRIGGER", "$$\x00CREATE TRIGGER").split("\x00"):
        database.query(statement)
    table = Table("spread over", "chained, a second", "not chained", "ratio, median", "ratios")
    for spread in (4, 1):
        pairs = [
            (rate(database, chained=True, spread=spread), rate(database, chained=False, spread=spread))
            for _ in range(ROUNDS)
        ]
        ratios = sorted(chained / plain for chained, plain in pairs)
        table.add_row(
            f"{spread} providers",
            f"{statistics.median(pair[0] for pair in pairs):.0f}",
            f"{statistics.median(pair[1] for pair in pairs):.0f}",
            f"{statistics.median(ratios):.2f}",
            " ".join(f"{ratio:.2f}" for ratio in ratios),
        )
    console.print(table)


FILL = f"""
INSERT INTO audit_event
SELECT ('01900000-' || lpad(to_hex(n / 65536), 4, '0') || '-7' || lpad(to_hex(n % 4096), 3, '0') || '-8000-'
        || lpad(to_hex(n), 12, '0'))::uuid,
    lpad(to_hex(n % 4 + 1), 32, '0')::uuid, n / 4 + 1, timestamptz '2025-01-01' + n * interval '15 seconds',
    CASE WHEN n % 50000 = 0 THEN 'NODOPPNING' WHEN n % 100 = 0 THEN 'ACCESS_DENIED' WHEN n % 3 = 0 THEN 'LIST_VIEWED'
        WHEN n % 3 = 1 THEN 'SLIDE_OPENED' ELSE 'CASE_VIEWED' END,
    'Läsa', CASE WHEN n % 100 = 0 AND n % 50000 <> 0 THEN 'DENIED' ELSE 'OK' END, NULL, 'OWN_UNIT', NULL,
    'Vård och behandling', lpad(to_hex((hashint4(n) & 65535) % {PEOPLE} + 1), 32, '0')::uuid,
    lpad(to_hex((hashint4(n) & 65535) % {PEOPLE} + 1), 32, '0')::uuid, lpad(to_hex(n % 8 + 1), 32, '0')::uuid,
    lpad(to_hex(n / 50), 32, '0')::uuid, '10.0.0.7', NULL, '{{}}',
    CASE WHEN n % 10 = 0 THEN ARRAY[lpad(to_hex((n + 1) % 4 + 1), 32, '0')::uuid] ELSE ARRAY[]::uuid[] END,
    sha256(int4send(n)), sha256(int4send(n + 4))
FROM generate_series(0, {ENTRIES} - 1) AS n;
INSERT INTO audit_subject
SELECT id, 0, care_provider_id, at, 'slide', id,
    lpad(to_hex((hashint8(seq * 4) & 1048575) % {PATIENTS} + 1), 32, '0')::uuid,
    coalesce(owners[1], care_provider_id), unit_id
FROM audit_event;
INSERT INTO audit_head SELECT care_provider_id, max(seq), '', '' FROM audit_event GROUP BY 1;
"""  # noqa: S608 - numbers of ours
"""Entries as they look, not as they are chained."""


def fill(database: Database) -> None:
    """Two million entries, a tenth of them of another provider's data. Indexes are made after that: much faster."""
    indexes = database.query(
        "SELECT indexname, indexdef FROM pg_indexes"
        " WHERE tablename IN ('audit_event', 'audit_subject') AND indexname NOT LIKE 'pk%'"
    )
    statements = [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in ("audit_event", "audit_subject")]
    statements += [f"DROP INDEX {index['indexname']}" for index in indexes]
    statements += FILL.split(";\n")[:-1] + [index["indexdef"] for index in indexes]
    with database.engine() as engine:
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        with engine.connect() as connection:
            settled = connection.execution_options(isolation_level="AUTOCOMMIT")
            settled.execute(text("VACUUM ANALYZE audit_event, audit_subject, audit_head"))


def number(value: int) -> uuid.UUID:
    return uuid.UUID(int=value)


BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
QUESTIONS: dict[str, Callable[[int], Question]] = {
    "newest": lambda n: Question(),
    "a month": lambda n: Question(since=BEGIN + timedelta(days=n * 3), until=BEGIN + timedelta(days=n * 3 + 30)),
    "person": lambda n: Question(person_id=number(n * 3 + 1)),
    "person in a month": lambda n: Question(
        person_id=number(n * 3 + 1), since=BEGIN + timedelta(days=n), until=BEGIN + timedelta(days=n + 30)
    ),
    "patient": lambda n: Question(patient_id=number(n * 500 + 1)),
    "patient and person": lambda n: Question(patient_id=number(n * 500 + 1), person_id=number(n + 1)),
    "rare event": lambda n: Question(event=Event.NODOPPNING),
    "event that never was": lambda n: Question(event=Event.BREAK_GLASS),
    "common event": lambda n: Question(event=Event.SLIDE_OPENED, until=BEGIN + timedelta(days=n * 3 + 1)),
    "refusals": lambda n: Question(outcome=Outcome.DENIED),
    "errors, of which there are none": lambda n: Question(outcome=Outcome.ERROR),
    "a person's refusals": lambda n: Question(outcome=Outcome.DENIED, person_id=number(n * 3 + 1)),
    "others at our data": lambda n: Question(whose=Whose.OUR_DATA),
    "others at our data, rare event": lambda n: Question(whose=Whose.OUR_DATA, event=Event.NODOPPNING),
    "others at our data, patient": lambda n: Question(whose=Whose.OUR_DATA, patient_id=number(n * 500 + 1)),
    "others at our data, person": lambda n: Question(whose=Whose.OUR_DATA, person_id=number(n * 3 + 1)),
}


def ask(database: Database, console: Console) -> None:
    """Times of every kind of question as the web's role asks it, and whether any reads a table from end to end."""
    engine = connect(database.url("samsyn_app"), connections=1)
    said: list[tuple[str, object]] = []
    listening.listen(
        engine, "before_cursor_execute", lambda c, cu, statement, values, *_: said.append((statement, values))
    )
    table = Table("question", "median ms", "p95 ms", "sequential scan", "rows")
    every: list[float] = []
    for name, make in QUESTIONS.items():
        took, rows = [], 0
        for n in range(40):
            with Session(engine) as session, session.begin():
                act_for(session, PROVIDERS[n % 4])
                said.clear()
                begun = time.perf_counter()
                rows = len(log_search.search(session, make(n), provider_id=PROVIDERS[n % 4], limit=50).entries)
                took.append((time.perf_counter() - begun) * 1000)
                asked, plans = tuple(said), []
                for statement, values in asked:
                    explained = session.connection().exec_driver_sql(f"EXPLAIN {statement}", values)  # type: ignore[arg-type]
                    plans.append("\n".join(explained.scalars()))
        every += took
        scans = any("Seq Scan" in plan for plan in plans)
        table.add_row(
            name, f"{statistics.median(took):.1f}", f"{sorted(took)[37]:.1f}", "YES" if scans else "no", str(rows)
        )
    console.print(table)
    console.print(f"All questions: p95 {sorted(every)[int(len(every) * 0.95)]:.1f} ms")
    engine.dispose()


def compute_again(database: Database, console: Console) -> None:
    """Entries that are really chained, computed again: how many a second."""
    with database.engine("samsyn_app") as engine:
        for _ in range(CHAINED // 1000):
            with sessions(engine).begin() as session:
                for place in range(1000):
                    about = Subject(kind="case", id=new_id(), patient_id=new_id(), provider_id=PROVIDERS[0])
                    chain = PROVIDERS[place % 4]
                    args = {"slides": place}
                    record(session, Event.CASE_VIEWED, by=None, provider_id=chain, subjects=[about], args=args)
                link(session)
    with database.engine("samsyn_worker") as engine, Session(engine) as session:
        begun, cpu = time.perf_counter(), time.process_time()
        report = verify(session, [])
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    assert not report.findings
    rate, own = report.entries / wall, report.entries / cpu
    console.print(
        f"Verified {report.entries} entries in {wall:.1f} s: {rate:.0f} a second, {own:.0f} by processor time."
    )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["write", "search", "verify"])
    what, console = parser.parse_args().what, Console(width=140)
    with folder_for_everyone() as cluster, EmbeddedPostgreSQL(cluster) as postgresql:
        migrate(addresses(cluster).owner_database_url)
        if "write" in what:
            with cloned(postgresql, cluster) as database:
                compare_writing(database, console)
        if "search" in what:
            with cloned(postgresql, cluster) as database:
                fill(database)
                ask(database, console)
        if "verify" in what:
            with cloned(postgresql, cluster) as database:
                compute_again(database, console)


if __name__ == "__main__":
    main()
