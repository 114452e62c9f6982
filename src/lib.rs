//! tenantctl makes a live, single-customer PostgreSQL database serve many customers.

pub mod error;
pub mod pg;
