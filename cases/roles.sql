-- The roles and the database of Samsyn. Run by psql as a superuser; as often as you like.
--
--   psql --set=ON_ERROR_STOP=1 --file=roles.sql postgres
--   docker compose: mount it as /docker-entrypoint-initdb.d/roles.sql
--
-- samsyn_owner   owns the database and its tables; migrations run as this role, and nothing else does
-- samsyn_app     the web
-- samsyn_worker  the workers and the scheduler
-- samsyn_platform what the web becomes for a moment where it must look across care providers: the gate's facts,
--                live viewings, the log's chains. Nobody signs in as it
--
-- What the two may read and write in each table is said by the migration that makes the table.
-- Passwords are set apart, so that none stands in a file:  \password samsyn_app

\set ON_ERROR_STOP 1
SET client_min_messages = warning;

SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY['samsyn_owner', 'samsyn_app', 'samsyn_worker']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec
SELECT 'CREATE ROLE samsyn_platform NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'samsyn_platform')
\gexec

-- Said again each time: a role that bypasses row-level security would see every care provider's rows.
ALTER ROLE samsyn_owner  LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE samsyn_app    LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT;
ALTER ROLE samsyn_worker LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT;
ALTER ROLE samsyn_platform NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
-- Not inherited: whoever may become it sees across providers only where the code says so.
GRANT samsyn_platform TO samsyn_owner, samsyn_app, samsyn_worker;

-- CREATE DATABASE knows no IF NOT EXISTS.
SELECT 'CREATE DATABASE samsyn OWNER samsyn_owner ENCODING ''UTF8'' TEMPLATE template0'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'samsyn')
\gexec

ALTER DATABASE samsyn OWNER TO samsyn_owner;
REVOKE ALL ON DATABASE samsyn FROM PUBLIC;
GRANT CONNECT ON DATABASE samsyn TO samsyn_app, samsyn_worker;

\connect samsyn

ALTER SCHEMA public OWNER TO samsyn_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO samsyn_app, samsyn_worker, samsyn_platform;
