-- Failures that may be tried again are looked for at every round: without going through all that failed for good and wait for a person.
create index instruction_state_transient on instruction_state (instruction_id) where state = 'failed_final' and class = 'BT';
