//! The record of repairs, before and after.

use flashgate_domain::Timestamp;

use super::{Fact, Subject, scene::NOW};
use crate::{RepairDraft, RepairEvent};

fn draft(reason: &str) -> RepairDraft {
    let (kind, actor, before) = ("re_drive".to_owned(), "Zoë".to_owned(), "two batches\n".repeat(4_000));
    RepairDraft { sale: None, kind, actor, reason: reason.to_owned(), before }
}

/// With its fields, and once.
pub async fn a_repair_is_written_down_before_and_after(subject: &Subject) -> Fact {
    let sale = subject.sale(1).await?;
    let later = Timestamp::from_millis(NOW.as_millis() + 5);
    let of_sale = RepairDraft { sale: Some(sale), ..draft("stuck") };
    let begun = subject.store().begin_repair(&of_sale, NOW).await?;
    let expected = RepairEvent { id: begun.id, draft: of_sale, began_at: NOW, ended: None };
    assert_eq!(begun, expected);
    assert_eq!(
        subject.store().repairs(None, 10).await?,
        std::slice::from_ref(&begun),
        "also while it is not ended"
    );

    let ended = subject.store().end_repair(begun.id, "none", later).await?.ok_or("the repair is gone")?;
    assert_eq!(ended, RepairEvent { ended: Some(("none".to_owned(), later)), ..begun });
    let again = subject.store().end_repair(ended.id, "another end", NOW).await?;
    assert_eq!(again, Some(ended.clone()), "the first end is the end");
    assert_eq!(subject.store().end_repair(ended.id + 99, "none", later).await?, None);
    Ok(())
}

/// Latest first.
pub async fn repairs_are_listed_page_by_page(subject: &Subject) -> Fact {
    let mut ids = Vec::new();
    for reason in ["one", "two", "three"] {
        ids.push(subject.store().begin_repair(&draft(reason), NOW).await?.id);
    }
    let reasons =
        |page: &[RepairEvent]| page.iter().map(|event| event.draft.reason.clone()).collect::<Vec<_>>();
    let first = subject.store().repairs(None, 2).await?;
    assert_eq!(reasons(&first), ["three", "two"]);
    let rest = subject.store().repairs(first.last().map(|event| event.id), 2).await?;
    assert_eq!(reasons(&rest), ["one"]);
    assert_eq!(subject.store().repairs(ids.first().copied(), 2).await?, []);
    Ok(())
}
