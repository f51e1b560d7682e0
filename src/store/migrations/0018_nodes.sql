-- Which nodes take part, and on which start of the server each has looked whether it remembers: what a server lost when it went down,
-- only the node that did it knows.
create table node_look (
  node text primary key,
  looks bigint not null,
  server bigint not null,
  looked_at bigint not null,
  is_away bigint not null default 0
);
