//! tenantctl makes a live, single-customer PostgreSQL database serve many customers.

pub mod catalog;
pub mod error;
pub mod pg;
