//! The session that waits for its next use. A login costs both sides more than a look into a folder, crosses a long line some ten
//! times, and is what banks' servers log and limit; so a session with which nothing went wrong is kept, one for each endpoint.

use std::sync::{Arc, Mutex, PoisonError};

use super::mailbox::Mailbox;

/// Room for one session. Copies of it are the same room.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Option<Mailbox>>>);

impl Kept {
    /// Takes the session that waits, if one does.
    pub(super) fn take(&self) -> Option<Mailbox> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Lets a session wait here. One that waited before ends.
    pub(super) fn put(&self, session: Mailbox) {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(session);
        drop(before);
    }
}
