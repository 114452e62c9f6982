//! tenantctl makes a live, single-customer PostgreSQL database serve many customers.

pub mod catalog;
pub mod config;
pub mod embedded;
pub mod error;
pub mod event;
pub mod execute;
pub mod pg;
pub mod plan;
pub mod report;
pub mod sql;
pub mod verify;
