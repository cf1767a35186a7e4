//! The record of a repair: a row in the order store, written before the repair and completed after it.

use flashgate_domain::SaleId;
use flashgate_proto::v1::{self, repair_service_client::RepairServiceClient};
use tonic::transport::Channel;

use crate::client::{Carrier, ClientError};

/// Maximum bytes of each text of a row, before and after.
const TEXT_BYTES_MAX: usize = 60_000;

/// The content of a new record.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// The sale; `None` for several.
    pub sale: Option<SaleId>,
    /// The kind, such as `drift`.
    pub kind: &'a str,
    /// The operator.
    pub actor: &'a str,
    /// The reason.
    pub reason: &'a str,
}

/// A repair that is recorded and has not ended.
#[derive(Debug)]
pub struct Record<C = Channel> {
    service: RepairServiceClient<C>,
    /// Its id.
    pub id: u64,
}

impl<C: Carrier> Record<C> {
    /// Records that a repair begins, and what was found `before`.
    ///
    /// # Errors
    /// The order worker did not record it: nothing may be repaired.
    pub async fn begin(worker: C, draft: Draft<'_>, before: &str) -> Result<Self, ClientError> {
        let mut service = RepairServiceClient::new(worker);
        let request = v1::BeginRepairRequest {
            sale_id: draft.sale.map_or(0, SaleId::get),
            kind: draft.kind.to_owned(),
            actor: draft.actor.to_owned(),
            reason: draft.reason.to_owned(),
            before: shortened(before),
        };
        let event = service.begin_repair(request).await?.into_inner();
        Ok(Self { service, id: event.id })
    }

    /// Records how the repair has ended.
    ///
    /// # Errors
    /// The order worker did not record it; the repair is done all the same.
    pub async fn end(mut self, after: &str) -> Result<(), ClientError> {
        let request = v1::EndRepairRequest { id: self.id, after: shortened(after) };
        self.service.end_repair(request).await?;
        Ok(())
    }
}

/// The latest `limit` recorded repairs, the latest first.
///
/// # Errors
/// The call failed.
pub async fn recorded<C: Carrier>(worker: C, limit: u32) -> Result<Vec<v1::RepairEvent>, ClientError> {
    let request = v1::ListRepairsRequest { before_id: 0, page_size: limit };
    Ok(RepairServiceClient::new(worker).list_repairs(request).await?.into_inner().repairs)
}

/// The text, cut after a whole line to what a row holds.
fn shortened(text: &str) -> String {
    let Some(end) = text.char_indices().map(|(at, _char)| at).find(|at| *at > TEXT_BYTES_MAX - 100) else {
        return text.to_owned();
    };
    let (head, rest) = text.split_at(end);
    let (head, tail) = head.rsplit_once('\n').unwrap_or((head, ""));
    format!("{head}\n… and {} more bytes", tail.len() + rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_loses_its_last_lines() {
        assert_eq!(shortened("short"), "short");
        let long = "ä line\n".repeat(10_000);
        let cut = shortened(&long);
        assert!(cut.len() <= TEXT_BYTES_MAX);
        assert!(
            cut.starts_with("ä line\nä line") && cut.ends_with("more bytes"),
            "{}",
            &cut[cut.len() - 60..]
        );
    }
}
