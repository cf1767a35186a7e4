//! What an error of a client means for a command: its message in the words of the command line, and its exit code.

use flashgate_operations::{
    audit::SideError,
    client::{ClientError, Port, Refusal, error::InvalidField},
    repair::{drift::DriftError, rebuild::NotRebuilt},
};
use flashgate_output::exit::CliError;
use tonic::Code;

/// How a command ends whose call failed.
pub(super) fn failed(error: impl Into<ClientError>) -> CliError {
    match error.into() {
        ClientError::InvalidUrl { port, expected } => CliError::flag(flag(port), expected),
        ClientError::OtherServer { port, url, found } => {
            let (flag, number) = (flag(port), port.number());
            CliError::Usage(format!("{flag} {url} {found}; {flag} must name {port}, {number} by default"))
        }
        ClientError::Unreachable { port, url, error } => {
            CliError::Unavailable(format!("{} {url} cannot be reached: {error}", flag(port)))
        }
        error @ ClientError::ConnectionFailed(_) => CliError::Unavailable(error.to_string()),
        error @ ClientError::InvalidResponse { .. } => CliError::other(error),
        ClientError::Refused(refusal) => refused(refusal),
    }
}

fn refused(refusal: Refusal) -> CliError {
    let Refusal { code, status, message, field } = refusal;
    let message = format!("{code}: {}", field.map_or(message, in_options));
    match status {
        Code::InvalidArgument | Code::OutOfRange => CliError::Usage(message),
        Code::NotFound => CliError::NotFound(message),
        Code::FailedPrecondition
        | Code::AlreadyExists
        | Code::Aborted
        | Code::PermissionDenied
        | Code::Unauthenticated => CliError::Refused(message),
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Cancelled => {
            CliError::Unavailable(message)
        }
        Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => {
            CliError::Other(message)
        }
    }
}

/// How a command ends whose audit got no answer from a side.
#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
pub(super) fn unanswered(fault: SideError) -> CliError {
    unanswered_as(&fault, fault.to_string())
}

/// The same with a text of its own.
pub(super) fn unanswered_as(fault: &SideError, text: String) -> CliError {
    match fault {
        SideError::Unavailable { .. } => CliError::Unavailable(text),
        SideError::InvalidResponse { .. } => CliError::Other(text),
    }
}

/// How a command ends whose compensation was broken off.
pub(super) fn drift_failed(error: DriftError) -> CliError {
    match error {
        DriftError::Audit(fault) => unanswered(fault),
        DriftError::Step(error) => failed(error),
    }
}

/// How a command ends that did not rebuild the ledger.
pub(super) fn not_rebuilt(error: NotRebuilt) -> CliError {
    match error {
        NotRebuilt::Refused(why) => CliError::Refused(why),
        NotRebuilt::Call(error) => failed(error),
        NotRebuilt::NotQuiet { .. } => CliError::Unavailable(error.to_string()),
        NotRebuilt::Differs { .. } => CliError::Other(error.to_string()),
    }
}

/// The flag that names a port, in every command.
const fn flag(port: Port) -> &'static str {
    match port {
        Port::Worker => "--worker",
        Port::GatewayOperators => "--gateway",
        Port::GatewayGrpc => "--gateway-grpc",
    }
}

/// The wire's fields that are called otherwise on the command line. All others are options of the same name.
const FIELDS: [(&str, &str); 14] = [
    ("opens_at_ms", "--opens"),
    ("closes_at_ms", "--closes"),
    ("operator", "--actor"),
    ("cause", "--reason"),
    ("page_size", "--limit"),
    ("states", "--state"),
    ("after_id", "--after"),
    ("x-buyer-id", "--buyer"),
    ("sale_id", "the id of the sale"),
    ("order_id", "the id of the order"),
    ("refund_id", "the id of the refund"),
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

/// The server's sentence about a field, with what was typed in place of the wire's fields.
fn in_options(field: InvalidField) -> String {
    let InvalidField { name, expected } = field;
    let expected = NAMED_IN_MESSAGES.iter().fold(expected, |text, other| text.replace(other, &option(other)));
    format!("{} {expected}", option(&name))
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use tonic::Status;
    use tonic_types::{ErrorDetails, StatusExt};

    use super::*;

    #[test]
    fn a_wrong_field_is_named_as_it_was_typed() {
        let said = |field: &str, expected: &str| {
            let mut details = ErrorDetails::with_error_info("malformed", "flashgate", []);
            details.add_bad_request_violation(field, expected);
            failed(Status::with_error_details(Code::InvalidArgument, "as on the wire", details)).to_string()
        };
        assert_eq!(said("stock", "must be from 1 to 9"), "malformed: --stock must be from 1 to 9");
        let closes = said("closes_at_ms", "must be later than opens_at_ms");
        assert_eq!(closes, "malformed: --closes must be later than --opens");
        let most = said("quantity_max", "must be at most limit_per_buyer");
        assert_eq!(most, "malformed: --quantity-max must be at most --limit-per-buyer");
        assert_eq!(said("page_size", "must be at most 1000"), "malformed: --limit must be at most 1000");
        assert_eq!(said("operator", "must not be empty"), "malformed: --actor must not be empty");
        assert_eq!(said("cause", "must not contain it"), "malformed: --reason must not contain it");
    }

    #[test]
    fn each_kind_of_answer_has_its_exit_code_and_names_the_stable_code() {
        let details = ErrorDetails::with_error_info("sale_not_found", "flashgate", []);
        let failed = failed(Status::with_error_details(Code::NotFound, "there is no such sale", details));
        assert_eq!(failed.to_string(), "sale_not_found: there is no such sale");
        assert_eq!(failed.exit_code(), ExitCode::from(3));
        let exit = |code| super::failed(Status::new(code, "")).exit_code();
        assert_eq!(exit(Code::InvalidArgument), ExitCode::from(2));
        assert_eq!(exit(Code::FailedPrecondition), ExitCode::from(4));
        assert_eq!(exit(Code::Unavailable), ExitCode::from(5));
        assert_eq!(exit(Code::Internal), ExitCode::from(1));
    }
}
