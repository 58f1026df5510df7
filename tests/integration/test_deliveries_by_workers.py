"""From a signature to a file in the receiver's folder by the product's own processes, with nobody doing anything."""

from __future__ import annotations

from makers import folder_for_everyone, wait_for
from posting import make_post
from product import Database, Product
from world import World

from cases.sharing.destinations import Answers
from cases.sharing.outbox import MessageState


def test_the_scheduler_rings_and_a_worker_delivers(database: Database) -> None:
    with folder_for_everyone() as folder, World(database) as world, Product(folder, database) as product:
        post = make_post(world)
        destination, _ = post.add(None, answers=Answers.BOTH)
        asked = post.ask()
        version = asked.answered()
        answers = folder / "answers"
        product.start("work", delivery_folder=str(answers))
        product.start("schedule")
        name = f"{asked.request().short_id}-v{version.number}.fhir.json"
        target = answers / post.kalmar.provider.hsa_id / name
        wait_for(target.is_file, within_s=60, every_s=0.1)
        assert asked.case.lid in target.read_text()

        def settled() -> bool:
            return post.message(destination).state is MessageState.SENT

        wait_for(settled, within_s=10, every_s=0.1)
        assert "Tolvan" not in product.logs()
