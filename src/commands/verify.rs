//! `tenantctl verify`: prove that every row has its right owner and that the database enforces it.
