"""What a running worker makes of a slide."""

from __future__ import annotations

from pathlib import Path

from makers import write_good_slide
from product import Product


def test_x(product: Product, tmp_path: Path) -> None:
    product.start("work")
    product.start("schedule")
    w = product.start_web()
    s = product.bring_in(write_good_slide(tmp_path / "a.svs"))
    product.wait_for_row(s, status="AVAILABLE")
    product.check_pyramid(s)
    with w.demo_person() as c:
        print(c.get("/api/slides").json())
    with w.stranger() as c:
        print(c.get("/api/events").status_code, c.get("/api/events").headers)
