//! What a bank says of an order.
