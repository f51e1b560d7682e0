//! Approved orders are put into files.

use crate::store::refund::Order;

/// What makes it the same incident.
pub(crate) fn stuck_key(order: &Order) -> String {
    format!("refund_stuck:{}", order.number)
}
