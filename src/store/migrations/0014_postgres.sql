-- Whoever releases a batch need not be allowed to write here.
create function bankgate_to_gate() returns trigger language plpgsql security definer set search_path from current as $$
begin
  insert into at_gate (batch, released_at) values (new.number, new.released_at)
    on conflict (batch) do update set released_at = excluded.released_at;
  return null;
end $$;
create trigger to_gate after insert or update of released_at on batch for each row when (new.released_at is not null)
  execute function bankgate_to_gate();
