-- The register: one row per cluster, changed only by these functions, by compare-and-set. Each answers the row as it is then,
-- and whether it holds what was asked for; no row: there is none (or it is another cluster's). An order that arrives late, or twice,
-- changes nothing that a later one has changed: all but a renewal name the beat that they saw, and each change counts it up.
-- A login is named register_CLUSTER and can do nothing but call them for its own row.
create schema if not exists sky_register;
create table if not exists sky_register.register (
  cluster text primary key,
  system_identifier text not null,
  holder text not null,
  epoch bigint not null,
  beat bigint not null,
  heir text,
  noted_by text not null,
  noted_at timestamptz not null,
  -- Seconds after its last renewal in which the holder may write, or its watchdog has not bitten; 0: it obeys no lease.
  term float8 not null default 0
) with (fillfactor = 10);
alter table sky_register.register add column if not exists term float8 not null default 0;

-- What an older register answered had no term.
drop function if exists sky_register.read(text), sky_register.renew(text, text, text, bigint),
  sky_register.take(text, text, text, bigint, bigint), sky_register.set_heir(text, text, text, bigint, bigint, text),
  sky_register.hand_over(text, text, text, bigint, bigint), sky_register.found(text, text, text, bigint, bigint, bigint);

create or replace function sky_register.note(out noted_by text, out noted_at timestamptz) language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  -- The commit waits for the disk, whatever the session has set.
  select coalesce(nullif(current_setting('application_name'), ''), session_user::text), clock_timestamp()
   where set_config('synchronous_commit', 'on', true) = 'on'
$$;

-- What each of them answers with: the row of the login's own cluster. It is theirs alone, so it needs no rights and no search_path of its
-- own, and the planner makes it a part of their query.
create or replace function sky_register.row_of(of_cluster text)
returns table (system_identifier text, holder text, epoch bigint, beat bigint, heir text, noted_by text, noted_at timestamptz, term float8)
language sql stable
as $$
  select r.system_identifier, r.holder, r.epoch, r.beat, r.heir, r.noted_by, r.noted_at, r.term
    from sky_register.register r where r.cluster = of_cluster and session_user = 'register_' || of_cluster
$$;

create or replace function sky_register.read(of_cluster text)
returns table (done boolean, system_identifier text, holder text, epoch bigint, beat bigint, heir text, noted_by text, noted_at timestamptz, term float8)
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
  select true, r.* from sky_register.row_of(of_cluster) r
$$;

-- The holder lives, and writes on.
create or replace function sky_register.renew(of_cluster text, identifier text, by_holder text, in_epoch bigint)
returns table (done boolean, system_identifier text, holder text, epoch bigint, beat bigint, heir text, noted_by text, noted_at timestamptz, term float8)
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
  update sky_register.register r set beat = r.beat + 1, noted_by = n.noted_by, noted_at = n.noted_at
    from sky_register.note() n
   where r.cluster = of_cluster and session_user = 'register_' || of_cluster
     and r.system_identifier = identifier and r.holder = by_holder and r.epoch = in_epoch;
  select r.system_identifier = identifier and r.holder = by_holder and r.epoch = in_epoch, r.*
    from sky_register.row_of(of_cluster) r
$$;

-- The heir becomes the holder, unless anything happened since it read epoch and beat.
create or replace function sky_register.take(of_cluster text, identifier text, by_heir text, seen_epoch bigint, seen_beat bigint)
returns table (done boolean, system_identifier text, holder text, epoch bigint, beat bigint, heir text, noted_by text, noted_at timestamptz, term float8)
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
  update sky_register.register r
     set holder = by_heir, epoch = r.epoch + 1, beat = r.beat + 1, heir = null, term = 0, noted_by = n.noted_by, noted_at = n.noted_at
    from sky_register.note() n
   where r.cluster = of_cluster and session_user = 'register_' || of_cluster and r.system_identifier = identifier
     and r.heir = by_heir and r.holder <> by_heir and r.epoch = seen_epoch and r.beat = seen_beat;
  select r.system_identifier = identifier and r.holder = by_heir and r.epoch = seen_epoch + 1, r.*
    from sky_register.row_of(of_cluster) r
$$;

-- The holder says who may take over (null: nobody), and the term of the lease that it obeys meanwhile (0: none).
create or replace function sky_register.set_heir(of_cluster text, identifier text, by_holder text, in_epoch bigint, seen_beat bigint, to_heir text, with_term float8)
returns table (done boolean, system_identifier text, holder text, epoch bigint, beat bigint, heir text, noted_by text, noted_at timestamptz, term float8)
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
  update sky_register.register r set heir = to_heir, term = case when to_heir is null then 0 else with_term end, beat = r.beat + 1, noted_by = n.noted_by, noted_at = n.noted_at
    from sky_register.note() n
   where r.cluster = of_cluster and session_user = 'register_' || of_cluster and r.system_identifier = identifier
     and r.holder = by_holder and r.epoch = in_epoch and r.beat = seen_beat and to_heir is distinct from by_holder and with_term >= 0;
  select r.system_identifier = identifier and r.holder = by_holder and r.epoch = in_epoch and r.beat > seen_beat
           and r.heir is not distinct from to_heir and r.term = case when to_heir is null then 0 else with_term end, r.*
    from sky_register.row_of(of_cluster) r
$$;

-- The holder's own word, after its PostgreSQL was verified down: the heir holds now, and stays the heir until it names another or
-- nobody: so it knows that it did not take.
create or replace function sky_register.hand_over(of_cluster text, identifier text, by_holder text, in_epoch bigint, seen_beat bigint)
returns table (done boolean, system_identifier text, holder text, epoch bigint, beat bigint, heir text, noted_by text, noted_at timestamptz, term float8)
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
  update sky_register.register r
     set holder = r.heir, epoch = r.epoch + 1, beat = r.beat + 1, term = 0, noted_by = n.noted_by, noted_at = n.noted_at
    from sky_register.note() n
   where r.cluster = of_cluster and session_user = 'register_' || of_cluster and r.system_identifier = identifier
     and r.holder = by_holder and r.epoch = in_epoch and r.beat = seen_beat and r.heir <> by_holder;
  select r.system_identifier = identifier and r.holder <> by_holder and r.epoch = in_epoch + 1, r.*
    from sky_register.row_of(of_cluster) r
$$;

-- A new row: where there is none (seen_epoch and seen_beat null), or instead of the one that was seen, with a higher epoch.
create or replace function sky_register.found(of_cluster text, identifier text, by_holder text, new_epoch bigint, seen_epoch bigint, seen_beat bigint)
returns table (done boolean, system_identifier text, holder text, epoch bigint, beat bigint, heir text, noted_by text, noted_at timestamptz, term float8)
language sql volatile security definer set search_path = pg_catalog, pg_temp
as $$
  insert into sky_register.register as r
  select of_cluster, identifier, by_holder, new_epoch, 0, null, n.noted_by, n.noted_at, 0
    from sky_register.note() n where session_user = 'register_' || of_cluster
      on conflict (cluster) do update
     set system_identifier = excluded.system_identifier, holder = excluded.holder, epoch = excluded.epoch, beat = r.beat + 1,
         heir = null, term = 0, noted_by = excluded.noted_by, noted_at = excluded.noted_at
   where r.epoch = seen_epoch and r.beat = seen_beat and excluded.epoch > r.epoch;
  select r.system_identifier = identifier and r.holder = by_holder and r.epoch = new_epoch, r.*
    from sky_register.row_of(of_cluster) r
$$;

revoke all on all functions in schema sky_register from public;
grant usage on schema sky_register to register_clusters;
grant execute on function sky_register.read, sky_register.renew, sky_register.take, sky_register.set_heir, sky_register.hand_over,
  sky_register.found
  to register_clusters;
