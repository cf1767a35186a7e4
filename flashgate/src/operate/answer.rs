//! What a gRPC status means for a command: its message and its exit code.

use std::error::Error;

use flashgate_domain::causes;
use flashgate_output::exit::Failed;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Why the call did not do what it was to do.
pub(super) fn failed(status: &Status) -> Failed {
    if let Some(why) = status.source() {
        // No server sent this: tonic made it out of a fault of the connection.
        return Failed::Unavailable(format!("the connection failed: {}", causes(why)));
    }
    let message = match status.get_details_error_info() {
        Some(info) => format!("{}: {}", info.reason, in_options(status)),
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

/// The wire's fields that are called otherwise on the command line. All others are options of the same name.
const FIELDS: [(&str, &str); 12] = [
    ("opens_at_ms", "--opens"),
    ("closes_at_ms", "--closes"),
    ("page_size", "--limit"),
    ("states", "--state"),
    ("after_id", "--after"),
    ("actor", "--by"),
    ("x-buyer-id", "--buyer"),
    ("sale_id", "the id of the sale"),
    ("order_id", "the id of the order"),
    ("ids", "the ids of the dead letters"),
    ("id", "the id"),
    ("repair_id", "the repair"),
];
/// Fields of a new sale that another field's message may name.
const NAMED_IN_MESSAGES: [&str; 3] = ["opens_at_ms", "limit_per_buyer", "quantity_max"];

/// What an operator typed for a field of the wire.
fn option(field: &str) -> String {
    let known = FIELDS.iter().find(|(name, _)| *name == field);
    known.map_or_else(|| format!("--{}", field.replace('_', "-")), |(_, option)| (*option).to_owned())
}

/// The server's sentence, with what was typed in place of the wire's fields.
fn in_options(status: &Status) -> String {
    let details = status.get_details_bad_request();
    let Some(violation) = details.and_then(|wrong| wrong.field_violations.into_iter().next()) else {
        return status.message().to_owned();
    };
    let expected = NAMED_IN_MESSAGES
        .iter()
        .fold(violation.description, |text, field| text.replace(field, &option(field)));
    format!("{} {expected}", option(&violation.field))
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn a_wrong_field_is_named_as_it_was_typed() {
        let said = |field: &str, expected: &str| {
            let mut details = ErrorDetails::with_error_info("malformed", "flashgate", []);
            details.add_bad_request_violation(field, expected);
            failed(&Status::with_error_details(Code::InvalidArgument, "as on the wire", details)).to_string()
        };
        assert_eq!(said("stock", "must be from 1 to 9"), "malformed: --stock must be from 1 to 9");
        let closes = said("closes_at_ms", "must be later than opens_at_ms");
        assert_eq!(closes, "malformed: --closes must be later than --opens");
        let most = said("quantity_max", "must be at most limit_per_buyer");
        assert_eq!(most, "malformed: --quantity-max must be at most --limit-per-buyer");
        assert_eq!(said("page_size", "must be at most 1000"), "malformed: --limit must be at most 1000");
    }

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
