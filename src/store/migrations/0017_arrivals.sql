-- Money that the platform recorded and that is not in the ledger yet, so that no round asks all that ever arrived. A trigger brings
-- it here; whoever books it takes it away.
create table funding_to_book (
  funding bigint primary key
);
