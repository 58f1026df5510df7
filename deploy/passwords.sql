-- Gives the roles of cases/roles.sql their passwords, from the environment. Run by psql 14 or newer as a superuser;
-- run it again after changing one in .env:
--
--   docker compose up --detach
--   docker compose exec postgres psql --username postgres --file /docker-entrypoint-initdb.d/2-passwords.sql

\set ON_ERROR_STOP 1
\getenv owner OWNER_PASSWORD
\getenv app APP_PASSWORD
\getenv worker WORKER_PASSWORD
SET password_encryption = 'scram-sha-256';

-- A variable that is not set is a syntax error here, so that no role is ever left open.
ALTER ROLE samsyn_owner PASSWORD :'owner';
ALTER ROLE samsyn_app PASSWORD :'app';
ALTER ROLE samsyn_worker PASSWORD :'worker';
