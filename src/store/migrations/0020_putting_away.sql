-- A file of a bank's that we asked its server to move away, and where to: by what was seen there nobody has concluded yet. A server may do
-- hours later what it was asked, with what stands in the file's place by then. `is_other`: not that file lies there, and it is to be taken.
create table putting_away (
  file_in bigint not null references file_in (id),
  attempt bigint not null,
  path text not null,
  begun_at bigint not null,
  is_other bigint not null default 0,
  primary key (file_in, attempt)
);
