//! Whether two files say the same: their bytes, or, of packages and workbooks, which two programs pack differently, what is in
//! them.

use std::io::{Cursor, Read as _};

use zip::ZipArchive;

use super::sheet;

/// Whether two files are the same bytes or, where both are packages (.zip, .xlsx), hold the same members or the same cells.
#[must_use]
pub fn same_contents(one: &[u8], other: &[u8]) -> bool {
    one == other || matches!((members(one), members(other)), (Some(a), Some(b)) if a == b) || same_cells(one, other)
}

/// Names and contents of a package's members; `None` where it is none.
fn members(bytes: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    (0..archive.len())
        .map(|at| {
            let mut member = archive.by_index(at).ok()?;
            let (name, mut inside) = (member.name_raw().to_vec(), Vec::new());
            member.read_to_end(&mut inside).ok()?;
            Some((name, inside))
        })
        .collect()
}

fn same_cells(one: &[u8], other: &[u8]) -> bool {
    let cells = |mut bytes: &[u8]| {
        let mut rows = Vec::new();
        sheet::read(&mut bytes, &mut |number, row| rows.push((number, row))).ok().map(|()| rows)
    };
    matches!((cells(one), cells(other)), (Some(a), Some(b)) if a == b)
}
