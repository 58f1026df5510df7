"""What lists and searches need, and what clinicians see of their referrals."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    _cases()
    _requests()
    _referrers()
    _rings()


def _cases() -> None:
    for columns in (["care_unit_id", "status"], ["responsible_assignment_id"], ["lid"]):
        op.create_index(f"ix_pathology_case_{'_'.join(columns)}", "pathology_case", columns)
    # What belongs to no case yet is little, among millions of slides that do.
    caseless = sa.text("case_id IS NULL")
    op.create_index("ix_slide_image_caseless", "slide_image", ["care_unit_id", "number"], postgresql_where=caseless)


def _requests() -> None:
    for columns in (
        ["unit_id", "status"],
        ["performer_unit_id", "status"],
        ["reader_assignment_id"],
        ["parent_request_id"],
    ):
        op.create_index(f"ix_share_request_{'_'.join(columns)}", "share_request", columns)
    # What row security asks of another's case.
    op.create_index("ix_record_grant_to_provider_id_valid_until", "record_grant", ["to_provider_id", "valid_until"])
    accession = ["performer_provider_id", "receiver_accession"]
    op.create_index("ix_share_request_receiver_accession", "share_request", accession)


def _referrers() -> None:
    release = ("ON_AVAILABLE", "ON_PRELIMINARY", "ON_FINAL")
    for column in (
        sa.Column("clinician_image_release", sa.String(40), server_default=release[0], nullable=False),
        sa.Column("image_release_elsewhere", sa.Boolean, server_default=sa.false(), nullable=False),
    ):
        op.add_column("care_provider", column)
        op.alter_column("care_provider", column.name, server_default=None)
    op.create_check_constraint("image_release", "care_provider", f"clinician_image_release IN {release}")
    op.create_index("ix_referral_referring_unit_id_id", "referral", ["referring_unit_id", "id"])
    # Whoever sent a referral, or is to have its answer, sees the case for as long as records are kept: PDL 3:17.
    op.execute(
        """
        CREATE FUNCTION let_referrers_in() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        BEGIN
            UPDATE record_grant SET valid_until = now(), updated_at = now()
            WHERE case_id = NEW.case_id AND basis = 'REFERRAL' AND valid_until > now();
            INSERT INTO record_grant (id, case_id, owner_provider_id, to_provider_id, basis, valid_until)
            SELECT DISTINCT ON (to_provider_id) uuidv7(), NEW.case_id, NEW.care_provider_id, to_provider_id,
                'REFERRAL', now() + interval '10 years'
            FROM (
                SELECT NEW.referring_provider_id AS to_provider_id
                UNION ALL SELECT care_provider_id FROM care_unit WHERE id = ANY(NEW.answer_recipients)
            ) AS referrer
            WHERE to_provider_id <> NEW.care_provider_id
            ON CONFLICT (to_provider_id, case_id, basis) DO UPDATE
            SET valid_until = excluded.valid_until, updated_at = now();
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER let_referrers_in AFTER INSERT OR UPDATE OF referring_provider_id, answer_recipients ON referral"
        " FOR EACH ROW EXECUTE FUNCTION let_referrers_in()"
    )


RING = """
CREATE {replace} FUNCTION {name} RETURNS {returns}
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
{body}
END $$
"""
RING_CASE = """
    -- With the case goes whose list it may stand in: its own unit, its referrer's, and those that have its answer.
    PERFORM pg_notify('pathology_case', concat_ws(' ', pathology_case.id, care_unit_id, (
        SELECT string_agg(DISTINCT care_unit.pdl_unit_id::text, ' ') FROM referral
        JOIN care_unit ON care_unit.id = referring_unit_id OR care_unit.id = ANY(answer_recipients)
        WHERE referral.case_id = pathology_case.id
    ))) FROM pathology_case WHERE pathology_case.id = rung;
"""
RING_REQUEST = """
    PERFORM pg_notify('share_request', concat_ws(' ', id, unit_id, CASE WHEN offered_at IS NOT NULL THEN
        performer_unit_id END)) FROM share_request WHERE id = rung;
"""
ON_CASE = """
    IF TG_OP = 'INSERT' OR (NEW.status, NEW.priority, NEW.due_at, NEW.responsible_assignment_id, NEW.patient_id,
        NEW.signout_department_id, NEW.lid) IS DISTINCT FROM (OLD.status, OLD.priority, OLD.due_at,
        OLD.responsible_assignment_id, OLD.patient_id, OLD.signout_department_id, OLD.lid) THEN
        PERFORM ring_case(NEW.id);
    END IF;
    RETURN NULL;
"""
ON_ANSWER = """
    IF NEW.status <> 'DRAFT' AND (TG_OP = 'INSERT' OR NEW.status <> OLD.status) THEN
        PERFORM ring_request(NEW.request_id), ring_case(NEW.case_id);
    END IF;
    RETURN NULL;
"""
ON_SLIDE = """
    IF TG_OP = 'INSERT' OR (NEW.status, NEW.pyramid, NEW.progress, NEW.reason, NEW.case_id, NEW.care_unit_id,
        NEW.caption, NEW.has_thumbnail) IS DISTINCT FROM (OLD.status, OLD.pyramid, OLD.progress, OLD.reason,
        OLD.case_id, OLD.care_unit_id, OLD.caption, OLD.has_thumbnail) THEN
        PERFORM pg_notify('slide_image', NEW.id::text || ' ' || coalesce(NEW.care_unit_id::text, ''));
    END IF;
    IF NEW.case_id IS NOT NULL AND (TG_OP = 'INSERT' OR (NEW.status, NEW.case_id, NEW.glass_slide_id)
        IS DISTINCT FROM (OLD.status, OLD.case_id, OLD.glass_slide_id)) THEN
        -- Another slide is there: so much the more of a case and of what is shared of it.
        PERFORM ring_case(NEW.case_id);
        PERFORM ring_request(id) FROM share_request WHERE case_id = NEW.case_id AND status IN (
            'SUBMITTED', 'HELD', 'OFFERED', 'ACCEPTED', 'ASSIGNED', 'IN_REVIEW', 'WAITING', 'COUNTERSIGN');
    END IF;
    RETURN NULL;
"""
ON_NOTIFICATION = """
    PERFORM pg_notify('notification', concat_ws(' ', NEW.id,
        coalesce(NEW.assignment_id, NEW.unit_id, NEW.care_provider_id)));
    RETURN NULL;
"""


def _rings() -> None:
    """Lists are rung for what they show: ids only, with whose list it may be. Each browser's stream asks for itself."""

    def define(name: str, body: str, *, returns: str = "trigger", replace: str = "") -> None:
        op.execute(RING.format(name=name, body=body, returns=returns, replace=replace))

    define("ring_case(rung uuid)", RING_CASE, returns="void")
    define("ring_request(rung uuid)", RING_REQUEST, returns="void")
    define("ring_pathology_case()", ON_CASE)
    define("ring_answer()", ON_ANSWER)
    define("ring_notification()", ON_NOTIFICATION)
    define("ring_slide_image()", ON_SLIDE, replace="OR REPLACE")
    define("ring_its_case()", "    PERFORM ring_case(NEW.case_id);\n    RETURN NULL;")
    define("ring_its_request()", "    PERFORM ring_request(NEW.request_id);\n    RETURN NULL;")
    define("ring_share_request()", "    PERFORM ring_request(NEW.id);\n    RETURN NULL;")
    for table, function, events in (
        ("pathology_case", "ring_pathology_case", "INSERT OR UPDATE"),
        ("case_member", "ring_its_case", "INSERT OR UPDATE"),
        ("referral", "ring_its_case", "INSERT OR UPDATE"),
        ("glass_slide", "ring_its_case", "INSERT OR UPDATE"),
        ("share_request", "ring_share_request", "INSERT OR UPDATE"),
        ("request_hold", "ring_its_request", "INSERT OR UPDATE"),
        ("task_assignment", "ring_its_request", "INSERT OR UPDATE"),
        ("message", "ring_its_request", "INSERT"),
        ("work_order", "ring_its_request", "INSERT OR UPDATE"),
        ("answer", "ring_answer", "INSERT OR UPDATE"),
        ("notification", "ring_notification", "INSERT"),
    ):
        op.execute(f"CREATE TRIGGER ring AFTER {events} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()")
