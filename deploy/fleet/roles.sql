-- The users of the fleet's database: the connector with pull.sh and replay.sh, and Grafana. Their passwords are set
-- apart: \password connector
do $$
begin
    if not exists (select from pg_roles where rolname = 'connector') then create role connector login; end if;
    if not exists (select from pg_roles where rolname = 'grafana') then create role grafana login; end if;
end $$;
grant fleet_writer to connector;
grant fleet_reader to grafana;
