-- What people may do with files that are stuck.

-- Attempts before a person let it go on: they are not counted again, and their names are never used again.
alter table file_out add column attempts_from bigint not null default 0;

-- The same bytes read again, by a profile that was mended or without some lines: a row of its own, because lines are never rewritten.
alter table file_in add column reading bigint not null default 0;
drop index file_in_identity;
create unique index file_in_identity on file_in (bank, profile, dir, name, exchange_key, sha256, reading);

-- Lines of a bank's file that two persons set aside: they are not read.
create table line_aside (
  file_in bigint not null,
  line bigint not null,
  proposal bigint not null,
  primary key (file_in, line)
);
