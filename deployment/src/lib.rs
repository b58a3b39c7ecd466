//! Checks what `deploy/` ships.
//!
//! The tests of this crate run the real programs as the users of `deploy/redis/users.acl`, and the scripts and units
//! of `deploy/` as an operator would. Nothing here is part of the product.
