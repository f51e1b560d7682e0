-- Whoever records an arrival need not be allowed to write here.
create function bankgate_to_book() returns trigger language plpgsql security definer set search_path from current as $$
begin
  insert into funding_to_book (funding) values (new.id) on conflict (funding) do nothing;
  return null;
end $$;
create trigger to_book after insert on funding for each row execute function bankgate_to_book();
-- Nobody releases a batch between the look at what is released and the end of this.
lock table batch in share row exclusive mode;
