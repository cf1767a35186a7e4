//! What a gRPC status means for a command: its message and its exit code.

use std::error::Error;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::exit::{Failed, causes};

/// Why the call did not do what it was to do.
pub(super) fn failed(status: &Status) -> Failed {
    if let Some(why) = status.source() {
        // No server sent this: tonic made it out of a fault of the connection.
        return Failed::Unavailable(format!("the connection failed: {}", causes(why)));
    }
    let message = match status.get_details_error_info() {
        Some(info) => format!("{}: {}", info.reason, status.message()),
        None => format!("{:?}: {}", status.code(), status.message()),
    };
    match status.code() {
        Code::InvalidArgument | Code::OutOfRange => Failed::Usage(message),
        Code::NotFound => Failed::NotFound(message),
        Code::FailedPrecondition
        | Code::AlreadyExists
        | Code::Aborted
        | Code::PermissionDenied
        | Code::Unauthenticated => Failed::Refused(message),
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Cancelled => {
            Failed::Unavailable(message)
        }
        Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => {
            Failed::Failed(message)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn each_kind_of_answer_has_its_exit_code_and_names_the_stable_code() {
        let details = ErrorDetails::with_error_info("sale_not_found", "flashgate", []);
        let failed = failed(&Status::with_error_details(Code::NotFound, "there is no such sale", details));
        assert_eq!(failed.to_string(), "sale_not_found: there is no such sale");
        assert_eq!(failed.exit_code(), ExitCode::from(3));
        let exit = |code| super::failed(&Status::new(code, "")).exit_code();
        assert_eq!(exit(Code::InvalidArgument), ExitCode::from(2));
        assert_eq!(exit(Code::FailedPrecondition), ExitCode::from(4));
        assert_eq!(exit(Code::Unavailable), ExitCode::from(5));
        assert_eq!(exit(Code::Internal), ExitCode::from(1));
    }
}
