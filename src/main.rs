//! The thin binary over the library.

use std::os::unix::process::CommandExt as _;

use bankgate::cli::ALLOCATOR;

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
