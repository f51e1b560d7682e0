//! A disk of its own that can be filled: a tmpfs, where the machine lets us mount one.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Keeper, folder, is_root, quoted, skip};

/// A mounted disk, gone when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
    _keeper: Keeper,
}

impl SmallDisk {
    /// So many KiB; none where mounting is not allowed.
    pub fn mount(kib: u32) -> Option<Self> {
        let path = folder("disk");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k,mode=0777"), "bankgate-test"]).arg(&path).stderr(Stdio::null());
        if !is_root() || !mount.status().is_ok_and(|status| status.success()) {
            std::fs::remove_dir_all(&path).unwrap();
            skip("a full disk: it takes leave to mount one");
            return None;
        }
        let keeper = Keeper::new(&format!("umount -l {0}; rmdir {0}", quoted(&path)));
        Some(Self { path, _keeper: keeper })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Not a byte is left.
    pub fn fill(&self) {
        let mut file = std::fs::File::create(self.path.join("filler")).unwrap();
        while file.write_all(&[0; 1024]).is_ok() {}
    }

    pub fn make_room(&self) {
        std::fs::remove_file(self.path.join("filler")).unwrap();
    }
}
