-- What fills a database, step by step; tests/crowd/filling.py runs it as the owner and makes the table `place` first.

--- patients
CREATE TEMP TABLE made AS
SELECT n, at, uuidv7(at - now()) AS patient_id, uuidv7(at - now()) AS case_id, place.*,
    staff[1 + n / :places % :staff] AS assignment_id, n >= :cases * 0.98 - 400 OR n % 501 = 0 AS open
FROM (SELECT n, now() - (:cases - n) * (interval '1000 days' / :cases) AS at FROM generate_series(0, :cases - 1) AS n)
JOIN place ON place.place = n % :places;
CREATE UNIQUE INDEX ON made (n);
ANALYZE made;
INSERT INTO patient (id, created_at, version, care_provider_id, same_as_id, given_name_enc, family_name_enc, birth_date,
    protection, objection_at)
SELECT patient_id, at, 1, provider_id, patient_id, given, family, date '1801-01-01' + n / 1000,
    CASE WHEN n % 200 = 9 THEN 'SEKRETESSMARKERING' ELSE 'NONE' END, CASE WHEN n % 400 = 12 THEN at END
FROM made ORDER BY n;
UPDATE patient SET same_as_id = other.patient_id FROM made AS own JOIN made AS other ON other.n = own.n - 8
WHERE own.patient_id = patient.id AND own.n % 100 = 50;
INSERT INTO patient_identifier (id, created_at, version, patient_id, care_provider_id, type, root_oid, extension_enc,
    extension_hmac, status)
SELECT uuidv7(at - now()), at, 1, patient_id, provider_id, 'PNR', :root, locked, index,
    'CURRENT'
FROM made JOIN number USING (n) ORDER BY n;

--- cases
ALTER TABLE pathology_case DISABLE TRIGGER ring;
ALTER TABLE case_member DISABLE TRIGGER ring;
INSERT INTO pathology_case (id, created_at, version, care_provider_id, care_unit_id, department_id, lid, patient_id,
    accessioned_at, last_registered_at, due_at, signout_department_id, category, priority, status,
    responsible_assignment_id)
SELECT case_id, at, 1, provider_id, unit_id, department_id, 'D-' || n, patient_id, at, at, at + interval '14 days',
    department_id, 'HISTOLOGY', CASE n / :places % 20 WHEN 0 THEN 'SNABB' WHEN 1 THEN 'SVF' ELSE 'ROUTINE' END,
    CASE WHEN open THEN 'IN_DIAGNOSIS' ELSE 'FINAL' END, CASE WHEN n % 3 = 0 THEN assignment_id END
FROM made ORDER BY n;
INSERT INTO case_member (id, created_at, version, care_provider_id, case_id, assignment_id, ended_at)
SELECT uuidv7(at - now()), at, 1, provider_id, case_id, assignment_id, CASE WHEN NOT open THEN at END
FROM made WHERE n % 2 = 0 ORDER BY n;
ALTER TABLE pathology_case ENABLE TRIGGER ring;
ALTER TABLE case_member ENABLE TRIGGER ring;

--- slides
ALTER TABLE slide_image DISABLE TRIGGER ring;
INSERT INTO slide_image (id, created_at, version, care_provider_id, care_unit_id, case_id, original_digest, byte_size,
    status, pyramid, format, width, height, tile_size, has_thumbnail, has_macro, attempts)
SELECT uuidv7(at - now()), at, 1, provider_id, unit_id, case_id, encode(sha256(int8send(n * 2 + glass)), 'hex'),
    800000000, 'AVAILABLE', 'READY', 'Aperio', 80000, 60000, 256, true, true, 0
FROM made CROSS JOIN generate_series(0, 1) AS glass ORDER BY n, glass;
ALTER TABLE slide_image ENABLE TRIGGER ring;
CREATE TEMP TABLE glass AS SELECT made.n, min(slide_image.id::text)::uuid AS slide_id
FROM made JOIN slide_image USING (case_id) GROUP BY made.n;
CREATE UNIQUE INDEX ON glass (n);
ANALYZE glass;

--- sessions and viewings
CREATE TEMP TABLE seat AS
SELECT k, k < :live AS live, place.*, assignment.id AS assignment_id, assignment.person_id, at,
    uuidv7(at - now()) AS session_id, uuidv7(at - now()) AS viewing_id, uuidv7(at - now()) AS decision_id,
    CASE WHEN k < :live THEN :cases - :cases % :places - :places * (1 + k / :places) + k % :places
        ELSE (hashint4(k) & 1048575) % (:cases / :places) * :places + k % :places END AS n
FROM (
    SELECT k, now() - CASE WHEN k < :live THEN interval '1 minute' ELSE interval '1 hour' + k * interval '2 minutes' END
        AS at
    FROM generate_series(0, :sessions - 1) AS k
) JOIN place ON place.place = k % :places JOIN assignment ON assignment.id = staff[1 + k / :places % :staff];
INSERT INTO sign_in_session (id, created_at, person_id, token_digest, ends_at, ended_at, ended_because, assignment_id,
    assurance, method, authenticated_at, last_seen_at)
SELECT session_id, at, person_id, sha256(convert_to('seat ' || k, 'UTF8')), at + interval '10 hours',
    CASE WHEN NOT live THEN at + interval '20 minutes' END, CASE WHEN NOT live THEN 'SIGNED_OUT' END, assignment_id, 3,
    'LOCAL', at, at
FROM seat ORDER BY at;
INSERT INTO access_decision (id, created_at, care_provider_id, assignment_id, session_id, resource_kind, resource_id,
    owner_provider_id, intent, allowed, basis, obligations, inputs_digest, until)
SELECT decision_id, at, provider_id, assignment_id, session_id, 'slide', slide_id, provider_id, 'VIEW', true,
    'OWN_UNIT', '{}', sha256(int4send(k)), at + interval '5 minutes'
FROM seat JOIN glass USING (n) ORDER BY at;
INSERT INTO viewing (id, created_at, care_provider_id, session_id, assignment_id, slide_image_id, basis, decision_id,
    until, early, closed_at)
SELECT viewing_id, at, provider_id, session_id, assignment_id, slide_id, 'OWN_UNIT', decision_id,
    at + interval '5 minutes', false, CASE WHEN NOT live THEN at + interval '4 minutes' END
FROM seat JOIN glass USING (n) ORDER BY at;

--- blocks, consents, relations, notices
-- Of every twenty patients one each, and none of those whom the live sessions look for elsewhere.
INSERT INTO access_block (id, created_at, version, patient_id, care_provider_id, type, information_care_unit_id,
    requester, requested_at, registered_at, source, status, ended_at, ended_reason)
SELECT uuidv7(at - now()), at, 1, patient_id, provider_id, CASE WHEN n % 40 = 3 THEN 'INNER' ELSE 'OUTER' END,
    CASE WHEN n % 40 = 3 THEN unit_id END, 'PATIENT', at, at, 'LOCAL', CASE WHEN n % 60 = 3 THEN 'REVOKED' ELSE 'ACTIVE'
    END, CASE WHEN n % 60 = 3 THEN now() END, CASE WHEN n % 60 = 3 THEN 'Patienten ville det' END
FROM made WHERE n % 20 = 3 ORDER BY n;
INSERT INTO consent_assertion (id, created_at, version, patient_id, care_provider_id, care_unit_id, type, scope, how,
    by_representative, start_at)
SELECT uuidv7(at - now()), at, 1, patient_id, provider_id, unit_id, 'CONSENT',
    CASE WHEN n % 20 = 3 THEN 'BLOCK_LIFT' ELSE 'SVOD' END, 'ORAL', false, at
FROM made WHERE n % 20 = 7 OR n % 100 = 3 ORDER BY n;
INSERT INTO temporary_revoke (id, created_at, version, block_id, care_provider_id, information_provider_id, for_unit_id,
    assertion_id, reason, reason_text, start_at, end_at)
SELECT uuidv7(made.at - now()), at, 1, access_block.id, provider_id, provider_id, unit_id, consent_assertion.id,
    'CONSENT', 'Patienten bad om det', at, at + interval '7 days'
FROM made JOIN access_block USING (patient_id) JOIN consent_assertion USING (patient_id);
INSERT INTO patient_relation (id, created_at, version, patient_id, care_provider_id, care_unit_id, reason, start_at)
SELECT uuidv7(at - now()), at, 1, patient_id, provider_id, unit_id, 'REFERRAL', at FROM made WHERE n % 20 = 4 ORDER BY n;
INSERT INTO patient_information_notice (id, created_at, version, care_provider_id, patient_id, text_version, channel,
    given_at)
SELECT uuidv7(at - now()), at, 1, provider_id, patient_id, '1', 'LETTER', at FROM made WHERE n % 10 = 8 ORDER BY n;

--- coherent records
-- A live session's provider has the patient with a consent and a relation, and was let into the other's case.
CREATE TEMP TABLE sought AS
SELECT seat.*, near.patient_id, far.case_id AS far_case_id, far.provider_id AS far_provider_id
FROM (SELECT *, row_number() OVER (PARTITION BY place ORDER BY k) AS row FROM seat WHERE live OR k % 5 = 0) AS seat
JOIN (SELECT *, row_number() OVER (PARTITION BY place ORDER BY n DESC) AS row FROM made WHERE n % 5 = 1) AS near
    USING (place, row)
JOIN made AS far ON far.n = near.n - 1;
INSERT INTO patient_relation (id, created_at, version, patient_id, care_provider_id, care_unit_id, reason, start_at)
SELECT uuidv7(), at, 1, patient_id, provider_id, unit_id, 'CONSULT', at FROM sought WHERE live;
INSERT INTO consent_assertion (id, created_at, version, patient_id, care_provider_id, care_unit_id, type, scope, how,
    by_representative, start_at)
SELECT uuidv7(), at, 1, patient_id, provider_id, unit_id, 'CONSENT', 'SVOD', 'ORAL', false, at FROM sought WHERE live;
INSERT INTO active_choice (id, created_at, version, care_provider_id, session_id, assignment_id, patient_id, kind,
    reason, ends_at)
SELECT uuidv7(at - now()), at, 1, provider_id, session_id, assignment_id, patient_id, 'COHERENT_RECORD',
    'Tidigare prov', at + CASE WHEN live THEN interval '2 hours' ELSE interval '20 minutes' END
FROM sought ORDER BY k DESC;
INSERT INTO record_grant (id, created_at, case_id, owner_provider_id, to_provider_id, basis, valid_until)
SELECT uuidv7(at - now()), at, far_case_id, far_provider_id, provider_id, 'COHERENT_RECORD',
    at + CASE WHEN live THEN interval '30 days' ELSE interval '20 minutes' END
FROM sought ORDER BY k DESC;

--- what the log's entries are about
-- A tenth is about the next provider's cases, a hundredth about the same fifty patients, a twentieth are lists.
CREATE TEMP TABLE line AS
SELECT e, at, uuidv7(at - now()) AS id, place.provider_id, place.unit_id,
    staff[1 + (hashint4(e + 7) & 1048575) % :staff] AS assignment_id, wanted - wanted % :providers
        + (e + (e % 10 = 0)::int) % :providers AS n,
    CASE WHEN e % 50000 = 13 THEN 'NODOPPNING' WHEN e % 100 = 7 THEN 'ACCESS_DENIED' WHEN e % 20 = 0 THEN 'LIST_VIEWED'
        WHEN e % 3 = 0 THEN 'SLIDE_OPENED' WHEN e % 3 = 1 THEN 'SLIDE_CLOSED' ELSE 'CASE_VIEWED' END AS event
FROM (
    SELECT e, now() - (:entries - e) * (interval '1000 days' / :entries) AS at,
        CASE WHEN e % 100 = 1 THEN e / 100 % 50 * :providers ELSE (hashint4(e) & 1073741823) % :cases END AS wanted
    FROM generate_series(0, :entries - 1) AS e
) JOIN place ON place.place = e % :providers + :providers * (e / :providers % :units);
ANALYZE line;
INSERT INTO audit_subject (event_id, ordinal, care_provider_id, at, event, person_id, kind, subject_id, patient_id,
    provider_id, unit_id)
SELECT line.id, ordinal, line.provider_id, line.at, event, person_id, 'case', case_id, patient_id, made.provider_id,
    made.unit_id
FROM line JOIN assignment ON assignment.id = line.assignment_id CROSS JOIN LATERAL generate_series(0, CASE WHEN e % 20 = 0 THEN 9 ELSE 0 END) AS ordinal
JOIN made ON made.n = (line.n + :places * ordinal) % :cases
ORDER BY e;

--- the log's entries, chained to nothing
ALTER TABLE audit_event DISABLE TRIGGER link;
INSERT INTO audit_event (id, care_provider_id, seq, at, event, activity, outcome, code, basis, purpose, person_id,
    assignment_id, unit_id, session_id, client_ip, args, owners, prev_hash, hash)
SELECT line.id, line.provider_id, 100000 + e / :providers, line.at, event, 'Läsa', CASE WHEN e % 100 = 7 THEN 'DENIED' ELSE 'OK' END, CASE WHEN e % 100 = 7 THEN 'D10' END, 'OWN_UNIT',
    'Vård och behandling', person_id, line.assignment_id, line.unit_id, uuidv7(line.at - now()), '10.0.0.7', '{}',
    CASE WHEN e % 10 = 0 THEN ARRAY[made.provider_id] ELSE ARRAY[]::uuid[] END, sha256(int4send(e)),
    sha256(int4send(e + :providers))
FROM line JOIN assignment ON assignment.id = line.assignment_id JOIN made USING (n) ORDER BY e;
ALTER TABLE audit_event ENABLE TRIGGER link;
INSERT INTO audit_head SELECT care_provider_id, max(seq), sha256(''), sha256('') FROM audit_event GROUP BY 1
ON CONFLICT (care_provider_id) DO UPDATE SET seq = excluded.seq;
