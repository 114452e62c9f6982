//! tenantctl makes a live, single-customer PostgreSQL database serve many customers.

pub mod embedded;
pub mod error;
