//! Access to the servers of a deployment: certificates, passwords, and errors that name what was refused.
//!
//! Files are read again for each connection, so that a renewed certificate or a changed password needs no restart.
//! Nothing here prints a secret: neither `Debug` nor an error.

mod error;
mod file;
mod password;
mod tls;

pub use self::{
    error::{AccessError, Refusal, ServerKeys},
    file::{FileError, read as read_file},
    password::{Password, Secret, read_secret},
    tls::{ClientIdentity, TlsFiles, TlsMaterial, install_provider},
};

/// The exit code of a process that a server refused at the start, or that refused the server.
pub const EXIT_CODE: u8 = 5;
