-- What persons said of a suspected second payment is asked for as what is open is: by whoever frees a claim.
drop index failure_case_double;
create index failure_case_double on failure_case (instruction_id) where kind = 'double_payment_suspected';
