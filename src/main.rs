//! The thin binary over the library.

use std::os::unix::process::CommandExt as _;

/// How glibc's allocator is to behave. Left alone it keeps an arena of freed memory for each of many short-lived threads,
/// and a transfer's large buffers teach it to keep more: memory then grows with the number of sessions, not with the work.
const ALLOCATOR: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "262144"), ("MALLOC_TRIM_THRESHOLD_", "1048576")];

fn main() -> std::process::ExitCode {
    if ALLOCATOR.iter().all(|(name, _)| std::env::var_os(name).is_none())
        && let Ok(myself) = std::env::current_exe()
    {
        // It reads its settings before `main`: only a process that begins with them has them. The same process goes on
        // under the same number; when that cannot be, it goes on as it is.
        _ = std::process::Command::new(myself).args(std::env::args_os().skip(1)).envs(ALLOCATOR).exec();
    }
    bankgate::cli::main()
}
