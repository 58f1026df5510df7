"""What each side may change of what both see; whose the case is; attachments for as long as they are handed out."""

from alembic import op

from cases.migrations.protection import OWN, PARTY

revision = "0017"
down_revision = "0016"

ME = "NULLIF(current_setting('samsyn.care_provider', true), '')::uuid"
PERFORMERS = {
    "share_request": (
        "status held_from reader_assignment_id receiver_accession accepted_at assigned_at first_opened_at answered_at"
        " acknowledged_at closed_at ended_at end_reason end_text version updated_at"
    ),
    "disclosure": "state ended_at ended_by end_reason updated_at",
}
"""Columns that a performer's moves change; the rest is the owner's, or the platform's doing."""
OF_CASES = {
    "attachment": "care_provider_id",
    "case_member": "care_provider_id",
    "disclosure": "care_provider_id",
    "glass_slide": "care_provider_id",
    "record_grant": "owner_provider_id",
    "referral": "care_provider_id",
    "related_case": "care_provider_id",
    "share_request": "care_provider_id",
    "slide_image": "care_provider_id",
    "specimen": "care_provider_id",
    "tissue_block": "care_provider_id",
}
"""Tables whose rows belong to a case, with the column that says whose they, and so the case, are."""


def upgrade() -> None:
    _keep_to_own_side()
    _tie_to_owner()
    _show_while_handed_out()


def _keep_to_own_side() -> None:
    op.execute(
        """
        CREATE FUNCTION refuse_change_of_owners() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            changed text;
        BEGIN
            SELECT string_agg(field.key, ', ' ORDER BY field.key) INTO changed
            FROM jsonb_each(to_jsonb(NEW)) AS field
            WHERE field.value IS DISTINCT FROM to_jsonb(OLD) -> field.key AND field.key <> ALL (TG_ARGV);
            IF changed IS NOT NULL THEN
                RAISE EXCEPTION 'What the owner alone changes in %: %.', TG_TABLE_NAME, changed
                    USING ERRCODE = 'insufficient_privilege';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION refuse_opening() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'Whom a disclosure was made to can only end it: it is % and stays so.', OLD.state
                USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    others = f"current_user = 'samsyn_app' AND OLD.care_provider_id IS DISTINCT FROM {ME}"
    for table, columns in PERFORMERS.items():
        allowed = ", ".join(f"'{column}'" for column in columns.split())
        op.execute(
            f"CREATE TRIGGER keep_to_own_side BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({others})"
            f" EXECUTE FUNCTION refuse_change_of_owners({allowed})"
        )
    op.execute(
        f"CREATE TRIGGER only_ends BEFORE UPDATE ON disclosure FOR EACH ROW WHEN ({others}"
        " AND NOT (OLD.state IN ('ACTIVE', 'SUSPENDED') AND NEW.state IN ('ENDED', 'REVOKED')))"
        " EXECUTE FUNCTION refuse_opening()"
    )


def _tie_to_owner() -> None:
    # A composite foreign key would not do for attachments, which a performer adds to another's case for a request.
    # As the owner of the tables: row security hides others' cases from whoever writes.
    op.execute(
        """
        CREATE FUNCTION check_owner_of_case() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        DECLARE
            made CONSTANT jsonb := to_jsonb(NEW);
            whose CONSTANT uuid := made ->> TG_ARGV[0];
            request CONSTANT uuid := CASE TG_TABLE_NAME WHEN 'attachment' THEN made ->> 'request_id' END;
        BEGIN
            IF request IS NULL THEN
                PERFORM FROM pathology_case WHERE id = NEW.case_id AND care_provider_id = whose;
            ELSE
                PERFORM FROM share_request
                WHERE id = request AND case_id = NEW.case_id AND performer_provider_id = whose;
            END IF;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'A row of % belongs to the care provider whose case it is of.', TG_TABLE_NAME
                    USING ERRCODE = 'foreign_key_violation';
            END IF;
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION refuse_another_owner() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'A case stays with the care provider that registered it.'
                USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER keep_owner BEFORE UPDATE OF care_provider_id ON pathology_case FOR EACH ROW"
        " WHEN (OLD.care_provider_id <> NEW.care_provider_id) EXECUTE FUNCTION refuse_another_owner()"
    )
    for table, column in OF_CASES.items():
        columns = f"case_id, {column}" + (", request_id" if table == "attachment" else "")
        op.execute(
            f"CREATE TRIGGER of_its_case BEFORE INSERT OR UPDATE OF {columns} ON {table} FOR EACH ROW"
            f" WHEN (NEW.case_id IS NOT NULL) EXECUTE FUNCTION check_owner_of_case('{column}')"
        )


def _show_while_handed_out() -> None:
    visible = (
        OWN,
        PARTY.format(request_id="attachment.request_id"),
        "EXISTS (SELECT FROM disclosed_item JOIN disclosure ON disclosure.id = disclosed_item.disclosure_id"
        " WHERE disclosed_item.kind = 'ATTACHMENT' AND disclosed_item.resource_id = attachment.id"
        f" AND disclosure.to_provider_id = {ME} AND disclosure.state = 'ACTIVE' AND disclosure.valid_to > now())",
        "EXISTS (SELECT FROM record_grant WHERE record_grant.case_id = attachment.case_id AND valid_until > now()"
        f" AND basis = 'COHERENT_RECORD' AND to_provider_id = {ME})",
    )
    op.execute(f"ALTER POLICY own ON attachment USING ({' OR '.join(visible)})")
