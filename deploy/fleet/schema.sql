-- The database of a fleet of tallycams, for PostgreSQL 14 or newer. It can be applied again at any time:
--   psql -d tallycam -f schema.sql
-- The connector calls take() with each message. Dashboards read sums() and the views. docs/fleet.md tells more.
\set ON_ERROR_STOP 1
begin;
-- Two of these at the same time would be in each other's way.
do $$ begin perform pg_advisory_xact_lock(hashtext('tallycam schema')); end $$;
set local client_min_messages = warning;
revoke create on schema public from public;

create table if not exists cameras (
    id      text primary key,                   -- the id in MQTT and in the list of pull.sh
    name    text,                               -- as the camera calls itself
    zone    text not null default 'UTC',        -- where its hours and days begin
    scene   text not null default 'camera',     -- only crossings of this source class are summed
    ledger  text,                               -- of its present counts.db
    online  boolean,                            -- by MQTT
    state   jsonb,                              -- by MQTT
    heard   timestamptz not null default now()
);

-- A counts.db. A camera begins a new one with a factory reset and with a restore.
create table if not exists ledgers (
    ledger  text primary key,
    camera  text not null references cameras on update cascade,
    last    bigint not null default 0,          -- the newest number that the camera has given
    whole   bigint not null default 0,          -- everything up to this number is here
    begun   timestamptz not null default now()
);

create table if not exists lines (
    camera  text not null references cameras on update cascade,
    line_id bigint not null,
    name    text not null,
    primary key (camera, line_id)
);

-- `seq` is the place in the camera's order of changes: the id, or a later number of the same sequence once the crossing
-- was taken back, its time mended, or it was marked. A crossing that is gone keeps its row, so that no number is
-- missing. `excluded`: somebody marked it as wrong, and the sums leave it out. `again`: a restored counts.db sends the
-- crossings that came before, now with its own ledger; they are counted once.
create table if not exists crossings (
    ledger    text not null references ledgers,
    id        bigint not null,
    seq       bigint not null,
    camera    text not null references cameras on update cascade,
    time      timestamptz,
    time_sure boolean,
    slot      timestamptz generated always as (date_bin('5 min', time, 'epoch')) stored,
    scene     text,
    line_id   bigint,
    direction text,
    class     text,
    score     real,
    run       bigint,
    track     bigint,
    ordinal   integer,
    gone      boolean not null default false,
    again     boolean not null default false,
    received  timestamptz not null default now(),
    excluded  boolean not null default false,
    primary key (ledger, id)
);
-- Earlier databases lack it.
alter table crossings add column if not exists excluded boolean not null default false;
create unique index if not exists crossings_once on crossings (camera, time, line_id, run, track, ordinal)
    where not again;
create index if not exists crossings_seq on crossings (ledger, seq);
create index if not exists crossings_slot on crossings (slot, camera) where not gone and not again;

-- Seconds with counting in each five minutes of a line. No row: not known.
create table if not exists coverage (
    ledger  text not null references ledgers,
    line_id bigint not null,
    start   timestamptz not null,
    seconds real not null check (seconds between 0 and 300.1),
    primary key (ledger, line_id, start)
);
create index if not exists coverage_start on coverage (start);

-- Messages that could not be taken, with the reason.
create table if not exists refused (
    number  bigint generated always as identity primary key,
    time    timestamptz not null default now(),
    topic   text not null,
    payload text not null,
    reason  text not null
);

-- TimescaleDB keeps coverage, by far the most rows, in small compressed pieces. Crossings stay a plain table: a
-- hypertable needs the time in its key, and the time of a crossing may be mended.
do $$
begin
    if exists (select from pg_extension where extname = 'timescaledb') then
        perform create_hypertable('coverage', 'start', if_not_exists => true, migrate_data => true,
                                  chunk_time_interval => interval '7 days');
        execute 'alter table coverage set (timescaledb.compress, timescaledb.compress_segmentby = ''ledger, line_id'')';
        perform add_compression_policy('coverage', interval '30 days', if_not_exists => true);
    end if;
end $$;

-- take_crossing(camera, message): a crossing as in the API, or {"id": 7, "seq": 9, "gone": true}. Returns new, known,
-- mended or gone. Of two messages about a crossing the one with the higher seq is right.
create or replace function take_crossing(of_camera text, m jsonb) returns text language plpgsql as $$
declare
    of_ledger text := coalesce(m ->> 'ledger', (select ledger from cameras where cameras.id = of_camera));
    number    bigint := m ->> 'id';
    place     bigint := coalesce(m ->> 'seq', m ->> 'id');
    is_gone   boolean := coalesce((m ->> 'gone')::boolean, false);
    owner     text;
    old       crossings;
    new       crossings;
begin
    if of_ledger is null or number is null then
        raise data_exception using message = 'a crossing needs ledger and id';
    end if;
    select ledgers.camera into owner from ledgers where ledgers.ledger = of_ledger;
    if owner is null then
        insert into cameras (id) values (of_camera) on conflict do nothing;
        insert into ledgers (ledger, camera) values (of_ledger, of_camera) on conflict do nothing;
        update cameras set ledger = of_ledger where cameras.id = of_camera and ledger is null;
    elsif owner <> of_camera then
        raise data_exception using message = format(
            'ledger %s belongs to camera %s: is the card of %s a copy?', of_ledger, owner, of_camera);
    end if;
    select * into old from crossings where crossings.ledger = of_ledger and crossings.id = number;

    if is_gone then
        insert into crossings (ledger, id, seq, camera, gone) values (of_ledger, number, place, of_camera, true)
        on conflict (ledger, id) do update set gone = true, seq = greatest(crossings.seq, excluded.seq);
        -- What a restored counts.db takes back is the original of this.
        if old.again then
            update crossings c set gone = true where c.camera = of_camera and not c.again
                and (c.time, c.line_id, c.run, c.track, c.ordinal)
                    = (old.time, old.line_id, old.run, old.track, old.ordinal);
        end if;
        return 'gone';
    end if;

    new.time := m ->> 'time';
    new.line_id := m ->> 'line_id';
    new.run := m ->> 'run';
    new.track := m ->> 'track';
    new.ordinal := m ->> 'ordinal';
    new.excluded := coalesce((m ->> 'excluded')::boolean, false);
    if old.gone then
        return 'gone';
    elsif old.id is not null then
        if (old.run, old.line_id, old.track, old.ordinal)
            is distinct from (new.run, new.line_id, new.track, new.ordinal) then
            raise data_exception using message = format('two crossings have the number %s in ledger %s: '
                'is the card of %s a copy?', number, of_ledger, of_camera);
        elsif old.seq >= place then
            return 'known';
        end if;
        update crossings set seq = place, time = new.time, time_sure = (m ->> 'time_sure')::boolean,
            excluded = new.excluded
        where crossings.ledger = of_ledger and crossings.id = number and crossings.seq < place;
        -- What is marked in a restored counts.db is the original of this.
        if old.again then
            update crossings c set excluded = new.excluded where c.camera = of_camera and not c.again
                and (c.time, c.line_id, c.run, c.track, c.ordinal)
                    = (old.time, old.line_id, old.run, old.track, old.ordinal);
        end if;
        return 'mended';
    end if;

    new.again := exists (select from crossings c where c.camera = of_camera and not c.again
        and (c.time, c.line_id, c.run, c.track, c.ordinal) = (new.time, new.line_id, new.run, new.track, new.ordinal));
    insert into crossings (ledger, id, seq, camera, time, time_sure, scene, line_id, direction, class, score, run,
                           track, ordinal, again, excluded)
    values (of_ledger, number, place, of_camera, new.time, (m ->> 'time_sure')::boolean,
            coalesce(m ->> 'scene', 'camera'), new.line_id, m ->> 'direction', m ->> 'class', (m ->> 'score')::real,
            new.run, new.track, new.ordinal, new.again, new.excluded)
    on conflict (ledger, id) do nothing;
    -- The restored counts.db may not know of the mark, or be the first to tell of it.
    if new.again then
        update crossings c set excluded = new.excluded where c.camera = of_camera and not c.again
            and c.excluded <> new.excluded and (c.time, c.line_id, c.run, c.track, c.ordinal)
                = (new.time, new.line_id, new.run, new.track, new.ordinal);
    end if;
    insert into lines (camera, line_id, name) values (of_camera, new.line_id, m ->> 'line')
    on conflict (camera, line_id) do update set name = excluded.name where lines.name <> excluded.name;
    update cameras set name = m ->> 'camera' where cameras.id = of_camera and name is distinct from m ->> 'camera';
    return 'new';
end $$;

-- take_ledger(camera, {"ledger": "…", "last": 7}): the camera's present counts.db, and its newest crossing.
create or replace function take_ledger(of_camera text, m jsonb) returns text language plpgsql as $$
declare
    owner text;
begin
    if m ->> 'ledger' is null or m ->> 'last' is null then
        raise data_exception using message = 'a ledger needs ledger and last';
    end if;
    insert into cameras (id) values (of_camera) on conflict do nothing;
    insert into ledgers (ledger, camera, last) values (m ->> 'ledger', of_camera, (m ->> 'last')::bigint)
    on conflict (ledger) do update set last = greatest(ledgers.last, excluded.last)
    returning ledgers.camera into owner;
    if owner <> of_camera then
        raise data_exception using message = format(
            'ledger %s belongs to camera %s: is the card of %s a copy?', m ->> 'ledger', owner, of_camera);
    end if;
    update cameras set ledger = m ->> 'ledger' where id = of_camera and ledger is distinct from m ->> 'ledger';
    return 'ledger';
end $$;

-- take_coverage(camera, line, message): the answer of /api/v1/counts?line=LINE&bucket=5min&by= of the camera. By MQTT
-- the message also names its ledger and line.
create or replace function take_coverage(of_camera text, of_line bigint, m jsonb) returns text
language sql security definer set search_path = public as $$
    update cameras set zone = m ->> 'time_zone' where id = of_camera and zone <> m ->> 'time_zone'
        and exists (select from pg_timezone_names where name = m ->> 'time_zone');
    insert into coverage (ledger, line_id, start, seconds)
    select coalesce(m ->> 'ledger', c.ledger), of_line, (i ->> 'start')::timestamptz, (i ->> 'covered')::real * 300
    from cameras c, jsonb_array_elements(m -> 'items') i
    where c.id = of_camera and coalesce(m ->> 'ledger', c.ledger) is not null and m ->> 'bucket' = '5min'
    on conflict (ledger, line_id, start) do update set seconds = excluded.seconds
        where coverage.seconds <> excluded.seconds;
    select 'coverage';
$$;

-- take(topic, payload): a message of a camera, as it came: PREFIX/ID/crossing, …/ledger, …/coverage, …/state,
-- …/availability. It may come any number of times, in any order. A message that makes no sense is kept in `refused`, and delays no other.
create or replace function take(topic text, payload text) returns text
language plpgsql security definer set search_path = public as $$
declare
    parts text[] := string_to_array(topic, '/');
    of_camera text := parts[cardinality(parts) - 1];
begin
    -- An emptied topic.
    if payload = '' then return 'ignored'; end if;
    case parts[cardinality(parts)]
        when 'coverage' then
            perform take_ledger(of_camera, payload::jsonb || '{"last": 0}');
            return take_coverage(of_camera, (payload::jsonb ->> 'line_id')::bigint, payload::jsonb);
        when 'crossing' then return take_crossing(of_camera, payload::jsonb);
        when 'ledger' then return take_ledger(of_camera, payload::jsonb);
        when 'state' then
            insert into cameras (id, state) values (of_camera, payload::jsonb)
            on conflict (id) do update set state = excluded.state, heard = now();
        when 'availability' then
            insert into cameras (id, online) values (of_camera, payload = 'online')
            on conflict (id) do update set online = excluded.online, heard = now();
        else return 'ignored';
    end case;
    return parts[cardinality(parts)];
exception
    -- The same crossing came in two ways at the same moment, or was mended to the time of its copy.
    when unique_violation then
        update crossings set again = true
        where crossings.ledger = payload::jsonb ->> 'ledger' and crossings.id = (payload::jsonb ->> 'id')::bigint;
        if found then return 'again'; end if;
        -- The transaction is tried again by the caller, and then sees the other one's row.
        raise;
    when data_exception or not_null_violation or check_violation or foreign_key_violation then
        insert into refused (topic, payload, reason) values (topic, left(payload, 2000), sqlerrm);
        return 'refused';
end $$;

-- missing(): for each camera, the first number that its counts.db has used and this database does not know, and the last
-- such of the 500 that begin with it: a broker that dies often leaves many small gaps. The camera is asked to tell of
-- them again: {"since": …, "until": …} to its topic replay/set.
create or replace function missing() returns table (camera text, ledger text, since bigint, until bigint)
language plpgsql security definer set search_path = public as $$
declare
    l ledgers;
    first bigint;
begin
    for l in select ledgers.* from ledgers join cameras c on c.ledger = ledgers.ledger
        where ledgers.last > ledgers.whole order by ledgers.camera loop
        select min(s.n) + 1 into first from (
            select l.whole as n
            union all select c.id from crossings c where c.ledger = l.ledger and c.id > l.whole
            union all select c.seq from crossings c where c.ledger = l.ledger and c.seq > l.whole) s
        where not exists (select from crossings c where c.ledger = l.ledger and c.id = s.n + 1)
            and not exists (select from crossings c where c.ledger = l.ledger and c.seq = s.n + 1);
        update ledgers set whole = first - 1 where ledgers.ledger = l.ledger and ledgers.whole < first - 1;
        continue when first > l.last;
        camera := l.camera;
        ledger := l.ledger;
        since := first - 1;
        select max(n) into until from generate_series(first, least(l.last, first + 499)) n
        where not exists (select from crossings c where c.ledger = l.ledger and c.id = n)
            and not exists (select from crossings c where c.ledger = l.ledger and c.seq = n);
        return next;
    end loop;
end $$;

-- pulled(camera, ledger, number): pull.sh has brought everything up to this number.
create or replace function pulled(of_camera text, of_ledger text, number bigint) returns void
language sql security definer set search_path = public as $$
    update ledgers set whole = greatest(whole, number), last = greatest(last, number)
    where ledger = of_ledger and camera = of_camera;
$$;

-- A counts.db that is no longer there, and whose last crossings never came.
create or replace view incomplete as
    select l.camera, l.ledger, l.last, l.last - l.whole as missing
    from ledgers l join cameras c on c.id = l.camera and c.ledger <> l.ledger where l.last > l.whole;

-- Every crossing that counts, once.
create or replace view counted as
    select x.camera, c.name, x.time, x.time_sure, x.slot, x.line_id, x.direction, x.class, x.score, x.ledger, x.id
    from crossings x join cameras c on c.id = x.camera and c.scene = x.scene
    where not x.gone and not x.again and not x.excluded;

-- sums(step, from, to): crossings and covered seconds of each line in buckets of '5 min', '15 min', '30 min', 'hour',
-- 'day', 'week' or 'month' of the camera's time zone. A bucket without a row was neither covered nor counted in.
create or replace function sums(step text, since timestamptz, until timestamptz) returns table (
    camera text, line_id bigint, start timestamptz, "in" bigint, "out" bigint, covered_s real, length_s integer)
language sql stable as $$
    with five as (
        select x.camera, x.line_id, x.slot, count(*) filter (where direction = 'in') as "in",
            count(*) filter (where direction = 'out') as "out", null::real as seconds
        from counted x where x.slot >= since and x.slot < until group by 1, 2, 3
        union all
        -- Two ledgers of a camera may cover the same five minutes: the one that covers more is believed.
        select l.camera, v.line_id, v.start, 0, 0, max(v.seconds)
        from coverage v join ledgers l using (ledger) where v.start >= since and v.start < until group by 1, 2, 3),
    binned as (
        select f.*, c.zone, case when step like '% min' then date_bin(step::interval, f.slot, 'epoch')
            else date_trunc(step, f.slot, c.zone) end as bin
        from five f join cameras c on c.id = f.camera)
    select b.camera, b.line_id, b.bin, sum(b."in")::bigint, sum(b."out")::bigint, sum(b.seconds),
        extract(epoch from case when step like '% min' then step::interval
            else ((b.bin at time zone b.zone) + ('1 ' || step)::interval) at time zone b.zone - b.bin end)::integer
    from binned b group by b.camera, b.line_id, b.bin, b.zone;
$$;
create or replace view sums_5min as select * from sums('5 min', '-infinity', 'infinity');
create or replace view sums_15min as select * from sums('15 min', '-infinity', 'infinity');
create or replace view sums_hour as select * from sums('hour', '-infinity', 'infinity');
create or replace view sums_day as select * from sums('day', '-infinity', 'infinity');

-- The connector may call take(), and Grafana may read.
do $$
begin
    if not exists (select from pg_roles where rolname = 'fleet_writer') then create role fleet_writer; end if;
    if not exists (select from pg_roles where rolname = 'fleet_reader') then create role fleet_reader; end if;
end $$;
revoke execute on function take, take_coverage, missing, pulled from public;
grant execute on function take, take_coverage, missing, pulled to fleet_writer;
grant select on cameras, ledgers, coverage to fleet_writer;
grant select on all tables in schema public to fleet_reader;
commit;
