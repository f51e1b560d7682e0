//! What is printed and signed (打印件): each paper is a page from facts, once as text and once as HTML.

/// What a period ended with.
pub mod certificate;
/// A refund order on paper.
pub mod voucher;
