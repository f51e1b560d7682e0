-- History is appended to, never changed.
create function bankgate_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'table % is append-only', tg_table_name using hint = 'a correction is a new row';
end $$;
create trigger append_only before update or delete on entry for each row execute function bankgate_append_only();
create trigger append_only before update or delete on posting for each row execute function bankgate_append_only();
create trigger append_only before update or delete on event for each row execute function bankgate_append_only();
create trigger append_only before update or delete on audit for each row execute function bankgate_append_only();
create trigger append_only before update or delete on answer_line for each row execute function bankgate_append_only();
create trigger append_only before update or delete on final_answer for each row execute function bankgate_append_only();
create trigger append_only before update or delete on statement_line for each row execute function bankgate_append_only();
create trigger append_only_whole before truncate on entry for each statement execute function bankgate_append_only();
create trigger append_only_whole before truncate on posting for each statement execute function bankgate_append_only();
create trigger append_only_whole before truncate on event for each statement execute function bankgate_append_only();
create trigger append_only_whole before truncate on audit for each statement execute function bankgate_append_only();
create trigger append_only_whole before truncate on answer_line for each statement execute function bankgate_append_only();
create trigger append_only_whole before truncate on final_answer for each statement execute function bankgate_append_only();
create trigger append_only_whole before truncate on statement_line for each statement execute function bankgate_append_only();

-- A released batch, an approval or new funds wake the daemon. Polling alone is always enough.
create function bankgate_wake() returns trigger language plpgsql as $$
begin
  perform pg_notify('bankgate', tg_table_name);
  return null;
end $$;
create trigger wake after insert or update on batch for each statement execute function bankgate_wake();
create trigger wake after insert on funding for each statement execute function bankgate_wake();
create trigger wake after update on proposal for each statement execute function bankgate_wake();
