-- What a publication that the database forgot was, and whom it paid: its numbers are not given out again, and its payments are
-- not sent again.
alter table forgotten_file add column business_date text not null default '';
alter table forgotten_file add column seq_no bigint not null default 0;
alter table forgotten_file add column first_id bigint not null default 0;
alter table forgotten_file add column last_id bigint not null default 0;
alter table forgotten_file add column copies bigint not null default 1;

create table forgotten_rows (
  bank text not null,
  path text not null,
  sha256 text not null,
  -- The batch whose rows these are, or the refund order (row 1).
  batch text not null,
  first_seq bigint not null,
  last_seq bigint not null,
  -- The file by which the database knows of them again.
  known_as bigint references file_out (id),
  primary key (bank, path, sha256, first_seq),
  check (first_seq <= last_seq)
);
create index forgotten_rows_open on forgotten_rows (batch) where known_as is null;
