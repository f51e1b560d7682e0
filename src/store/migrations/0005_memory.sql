-- A database that may have forgotten what was published holds all publishing until two persons release it.

create table publishing_hold (
  key text primary key,
  node text not null,
  why text not null,
  held_at bigint not null,
  released_at bigint,
  released_by text not null default ''
){fill};

-- What went out and was forgotten: nothing goes out under such a name, or with such bytes, on any node.
create table forgotten_file (
  bank text not null,
  path text not null,
  sha256 text not null,
  file bigint not null,
  hold text not null references publishing_hold (key),
  primary key (bank, path, sha256)
);

-- SQLite has no number of its own: a random one tells its files apart.
create table database_identity (
  id text primary key
);
