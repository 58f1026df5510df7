-- What is shared: run after tests/crowd/filling.sql, with its tables, and `service` and `clinic` made by filling.py.

--- specimens and glass
ALTER TABLE glass_slide DISABLE TRIGGER ring;
ALTER TABLE slide_image DISABLE TRIGGER ring;
CREATE TEMP TABLE specimen_of AS SELECT n, case_id, provider_id, at, uuidv7(at - now()) AS specimen_id FROM made;
INSERT INTO specimen (id, created_at, version, case_id, care_provider_id, letter, type, site)
SELECT specimen_id, at, 1, case_id, provider_id, 'A', 'Biopsi', (ARRAY['Kolon', 'Hud', 'Bröst'])[1 + n % 3]
FROM specimen_of ORDER BY n;
-- Of every fifth open case a third glass is waited for.
INSERT INTO glass_slide (id, created_at, version, case_id, care_provider_id, specimen_id, number, stain_code, stain_kind,
    expected)
SELECT uuidv7(specimen_of.at - now()), specimen_of.at, 1, case_id, specimen_of.provider_id, specimen_id, number, 'HE',
    'HE', true
FROM specimen_of JOIN made USING (n, case_id)
CROSS JOIN LATERAL generate_series(1, CASE WHEN open AND n / :places % 5 = 0 THEN 3 ELSE 2 END) AS number ORDER BY n;
UPDATE slide_image SET glass_slide_id = glass_slide.id
FROM (SELECT id, row_number() OVER (PARTITION BY case_id ORDER BY id) AS row FROM slide_image) AS scan, glass_slide
WHERE scan.id = slide_image.id AND glass_slide.case_id = slide_image.case_id AND glass_slide.number = scan.row;
ALTER TABLE glass_slide ENABLE TRIGGER ring;
ALTER TABLE slide_image ENABLE TRIGGER ring;

--- referrals
-- From the other unit of the same care provider; every twentieth from another care provider.
ALTER TABLE referral DISABLE TRIGGER ring;
INSERT INTO referral (id, created_at, version, case_id, care_provider_id, referring_provider_id, referring_unit_id,
    referring_assignment_id, referral_number, ordered_at, question, answer_recipients)
SELECT uuidv7(made.at - now()), made.at, 1, case_id, made.provider_id, sender.provider_id, sender.unit_id,
    clinic.assignment_id, 'R' || n, made.at, 'Malignitet?',
    CASE WHEN n % 50 = 7 THEN ARRAY[made.unit_id] ELSE ARRAY[]::uuid[] END
FROM made JOIN place AS sender ON sender.place = (n + CASE WHEN n / :places % 20 = 3 THEN 1 ELSE :providers END) % :places
JOIN clinic ON clinic.place = sender.place ORDER BY n;
ALTER TABLE referral ENABLE TRIGGER ring;

--- requests
-- Every tenth closed case was asked about, and every second open one is: more than happens, so that pages fill.
ALTER TABLE share_request DISABLE TRIGGER ring;
CREATE TEMP TABLE asked AS
SELECT made.n, at, case_id, made.provider_id, made.unit_id, made.department_id, assignment_id, open,
    uuidv7(at - now()) AS request_id, uuidv7(at - now()) AS disclosure_id, uuidv7(at - now()) AS answer_id,
    service_id, agreement_id, performer.provider_id AS to_provider_id, performer.unit_id AS to_unit_id,
    performer.department_id AS to_department_id, performer.staff[1 + made.n / :places % :staff] AS reader_id,
    CASE made.n / :places % 20 WHEN 0 THEN 'SNABB' WHEN 1 THEN 'SVF' WHEN 2 THEN 'SVF' ELSE 'ROUTINE' END AS urgency,
    CASE WHEN open THEN (ARRAY['DRAFT', 'OFFERED', 'OFFERED', 'ACCEPTED', 'IN_REVIEW', 'IN_REVIEW', 'WAITING',
            'ANSWERED', 'HELD', 'SUBMITTED'])[1 + made.n / :places / 2 % 10]
        ELSE (ARRAY['CLOSED', 'CLOSED', 'CLOSED', 'CLOSED', 'CLOSED', 'CLOSED', 'ACKNOWLEDGED', 'DECLINED', 'RETURNED',
            'RECALLED'])[1 + made.n / :places / 10 % 10] END AS status,
    (SELECT jsonb_agg(slide_image.id) FROM slide_image WHERE slide_image.case_id = made.case_id) AS slides
FROM made JOIN place AS performer ON performer.place = (made.n + 1) % :places JOIN service ON service.place = made.place
WHERE CASE WHEN open THEN made.n / :places % 2 = 0 ELSE made.n / :places % 10 = 5 END;
ALTER TABLE asked ADD taken boolean, ADD answered boolean, ADD stopped boolean;
UPDATE asked SET taken = status IN ('ACCEPTED', 'IN_REVIEW', 'WAITING'),
    answered = status IN ('ANSWERED', 'ACKNOWLEDGED', 'CLOSED'), stopped = status IN ('DECLINED', 'RETURNED', 'RECALLED');
INSERT INTO share_request (id, created_at, version, short_id, type, case_id, care_provider_id, unit_id,
    requester_assignment_id, requester_department_id, watcher_assignment_id, performer_provider_id, performer_unit_id,
    performer_department_id, reader_assignment_id, service_description_id, reason_code, question, working_diagnosis,
    blind, urgency, subspecialty, manifest, due_at, legal_ground, harm_tested_by, harm_tested_at, responsibility_model,
    billable, receiver_accession, status, held_from, escalation, submitted_at, offered_at, accepted_at, assigned_at,
    answered_at, acknowledged_at, closed_at, ended_at)
SELECT request_id, at, 1, 'R-' || upper(lpad(to_hex(n), 6, '0')), 'SECOND_OPINION', case_id, provider_id, unit_id,
    assignment_id, department_id, assignment_id, to_provider_id, to_unit_id, to_department_id,
    CASE WHEN taken AND status <> 'ACCEPTED' OR answered THEN reader_id END, service_id, 'DIFFICULT', 'Dysplasi?',
    'Adenom', false, urgency, 'GI', jsonb_build_object('slide_ids', slides, 'glass_ids', '[]'::jsonb, 'attachment_ids',
    '[]'::jsonb, 'case_ids', '[]'::jsonb), at + interval '10 days', 'CONSENT_PRESUMED_REFERRAL', assignment_id, at,
    'INDEPENDENT', true, CASE WHEN taken OR answered THEN 'M-' || n END, status,
    CASE WHEN status = 'HELD' THEN 'OFFERED' END, 0, CASE WHEN status <> 'DRAFT' THEN at END,
    CASE WHEN status NOT IN ('DRAFT', 'SUBMITTED') THEN at END,
    CASE WHEN taken OR answered THEN at + interval '4 hours' END,
    CASE WHEN taken OR answered THEN at + interval '5 hours' END, CASE WHEN answered THEN at + interval '3 days' END,
    CASE WHEN status IN ('ACKNOWLEDGED', 'CLOSED') THEN at + interval '4 days' END,
    CASE WHEN status = 'CLOSED' THEN at + interval '34 days' END, CASE WHEN stopped THEN at + interval '1 day' END
FROM asked ORDER BY n;
ALTER TABLE share_request ENABLE TRIGGER ring;

--- what hangs on requests
ALTER TABLE task_assignment DISABLE TRIGGER ring;
INSERT INTO task_assignment (id, created_at, version, care_provider_id, request_id, assignment_id, role, assigned_at)
SELECT uuidv7(at - now()), at, 1, to_provider_id, request_id, reader_id, 'READER', at FROM asked
WHERE taken AND status <> 'ACCEPTED' OR answered ORDER BY n;
ALTER TABLE task_assignment ENABLE TRIGGER ring;
INSERT INTO request_hold (id, created_at, request_id, care_provider_id, reason, whose_turn, began_at)
SELECT uuidv7(at - now()), at, request_id, provider_id, 'IMAGE_NOT_READY', 'OWNER', at FROM asked WHERE status = 'HELD';
INSERT INTO disclosure (id, created_at, request_id, version_no, case_id, care_provider_id, unit_id, to_provider_id,
    to_unit_id, to_named, purpose, legal_ground, harm_tested_by, harm_tested_at, manifest_sha256, decided_by, decided_at,
    valid_from, valid_to, agreement_snapshot_ids, state, ended_at)
SELECT disclosure_id, at, request_id, 1, case_id, provider_id, unit_id, to_provider_id, to_unit_id, '{}', 'CARE',
    'CONSENT_PRESUMED_REFERRAL', assignment_id, at, sha256(int4send(n)), assignment_id, at, at, at + interval '90 days',
    ARRAY[agreement_id, service_id], CASE WHEN stopped OR status = 'CLOSED' THEN 'ENDED' ELSE 'ACTIVE' END,
    CASE WHEN stopped OR status = 'CLOSED' THEN at + interval '34 days' END
FROM asked WHERE status <> 'DRAFT' ORDER BY n;
INSERT INTO disclosed_item (id, created_at, disclosure_id, request_id, kind, resource_id)
SELECT uuidv7(at - now()), at, disclosure_id, request_id, kind, resource_id FROM asked CROSS JOIN LATERAL (
    SELECT 'CASE' AS kind, case_id AS resource_id
    UNION ALL SELECT 'SLIDE', slide::uuid FROM jsonb_array_elements_text(slides) AS slide
) AS item WHERE status <> 'DRAFT' ORDER BY n;
INSERT INTO record_grant (id, created_at, case_id, owner_provider_id, to_provider_id, basis, valid_until)
SELECT uuidv7(at - now()), at, case_id, provider_id, to_provider_id, 'DISCLOSED',
    CASE WHEN stopped OR status = 'CLOSED' THEN at + interval '34 days' ELSE now() + interval '90 days' END
FROM asked WHERE status NOT IN ('DRAFT', 'SUBMITTED') ORDER BY n;
INSERT INTO state_event (id, created_at, care_provider_id, request_id, entity, entity_id, event, from_state, to_state, at)
SELECT uuidv7(asked.at - now()), asked.at, provider_id, request_id, 'request', request_id, event, 'DRAFT', status,
    asked.at + step * interval '1 hour'
FROM asked CROSS JOIN unnest(ARRAY['create', 'submit', 'offer', 'accept', 'assign', 'start']) WITH ORDINALITY
    AS made (event, step)
WHERE step <= CASE status WHEN 'DRAFT' THEN 1 WHEN 'SUBMITTED' THEN 2 WHEN 'OFFERED' THEN 3 ELSE 6 END ORDER BY n;
ALTER TABLE work_order DISABLE TRIGGER ring;
INSERT INTO work_order (id, created_at, version, request_id, case_id, care_provider_id, kind, urgency, done_by, blocking,
    slides, status)
SELECT uuidv7(at - now()), at, 1, request_id, case_id, to_provider_id, 'LEVELS', urgency,
    CASE WHEN n / :places % 3 = 0 THEN 'PERFORMER_LAB' ELSE 'OWNER_LAB' END, true, 2,
    CASE WHEN open THEN 'REQUESTED' ELSE 'FULFILLED' END
FROM asked WHERE status = 'WAITING' OR NOT open AND n / :places % 3 = 0 ORDER BY n;
ALTER TABLE work_order ENABLE TRIGGER ring;
ALTER TABLE message DISABLE TRIGGER ring;
INSERT INTO message (id, created_at, request_id, care_provider_id, author_id, kind, body, blocking, sent_at)
SELECT uuidv7(at - now()), at, request_id, to_provider_id, reader_id, 'QUESTION', 'Finns tidigare prov?',
    open AND n / :places % 4 = 0, at + interval '6 hours'
FROM asked WHERE taken OR answered ORDER BY n;
ALTER TABLE message ENABLE TRIGGER ring;

--- answers
ALTER TABLE answer DISABLE TRIGGER ring;
INSERT INTO answer (id, created_at, version, request_id, case_id, care_provider_id, unit_id, author_assignment_id, kind,
    status, visibility, head, last, released, released_at, agreement)
SELECT answer_id, at, 1, request_id, case_id, to_provider_id, to_unit_id, reader_id, 'CONSULT_OPINION', 'FINAL', 'UNIT', 1,
    1, 1, at + interval '3 days', 'AGREE'
FROM asked WHERE answered ORDER BY n;
ALTER TABLE answer ENABLE TRIGGER ring;
INSERT INTO answer_version (id, created_at, answer_id, request_id, care_provider_id, number, saving, stage,
    author_assignment_id, saved_at, content, findings, content_sha256, released_at)
SELECT uuidv7(at - now()), at, answer_id, request_id, to_provider_id, 1, 'SIGNED', 'FINAL', reader_id,
    at + interval '3 days', '{"statement": "Bilden talar för adenom.", "diagnosis": "Adenom"}', '{}',
    encode(sha256(int4send(n)), 'hex'), at + interval '3 days'
FROM asked WHERE answered ORDER BY n;

--- clinicians
INSERT INTO sign_in_session (id, created_at, person_id, token_digest, ends_at, assignment_id, assurance, method,
    authenticated_at, last_seen_at)
SELECT uuidv7(), now(), person_id, sha256(convert_to('clinician ' || place, 'UTF8')), now() + interval '10 hours',
    assignment.id, 3, 'LOCAL', now(), now()
FROM clinic JOIN assignment ON assignment.id = assignment_id;
