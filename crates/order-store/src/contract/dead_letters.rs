//! Operators' decisions about dead letters are stored, with actor and reason.

use flashgate_domain::Timestamp;

use super::{Fact, Subject, scene::NOW};
use crate::{LetterDecision, LetterKey, LetterStatus, RepairDraft};

fn letter(place: &str) -> LetterKey {
    LetterKey { place: place.to_owned(), given_up_at: NOW }
}

async fn repair(subject: &Subject, reason: &str) -> Result<u64, super::Broken> {
    let (kind, actor, before) = ("drop_letters".to_owned(), "Zoë".to_owned(), String::new());
    let draft = RepairDraft { sale: None, kind, actor, reason: reason.to_owned(), before };
    Ok(subject.store().begin_repair(&draft, NOW).await?.id)
}

/// Every worker reads the same decision.
pub async fn a_dead_letter_waits_until_it_is_decided_and_the_last_decision_counts(subject: &Subject) -> Fact {
    let [one, other] = &subject.stores;
    let ours = letter("broker-a/0:12");
    assert_eq!(one.letter_decision(&ours).await?, None);
    for (status, reason) in [(LetterStatus::Replayed, "repaired"), (LetterStatus::Dropped, "not ours: née X")]
    {
        let repair_id = repair(subject, reason).await?;
        let decided_at = Timestamp::from_millis(NOW.as_millis() + repair_id);
        for _again in 0..2 {
            one.decide_letter(&ours, status, repair_id, decided_at).await?;
        }
        let (actor, reason) = ("Zoë".to_owned(), reason.to_owned());
        let expected = LetterDecision { status, repair_id, actor, reason, decided_at };
        assert_eq!(other.letter_decision(&ours).await?, Some(expected));
    }
    Ok(())
}

/// A letter at the same location with another time is another letter: the broker lost its disk and reuses locations.
pub async fn a_decision_is_about_one_dead_letter_only(subject: &Subject) -> Fact {
    let ours = letter("broker-a/0:1");
    let repair_id = repair(subject, "why").await?;
    subject.store().decide_letter(&ours, LetterStatus::Dropped, repair_id, NOW).await?;
    let later = Timestamp::from_millis(NOW.as_millis() + 1);
    for other in [
        letter("broker-a/0:11"),
        letter("broker-a/1:1"),
        letter("broker-A/0:1"),
        LetterKey { given_up_at: later, ..ours.clone() },
    ] {
        assert_eq!(subject.store().letter_decision(&other).await?, None, "{other:?}");
    }
    let longest = letter(&format!("{}/4294967295:18446744073709551615", "b".repeat(127)));
    subject.store().decide_letter(&longest, LetterStatus::Replayed, repair_id, NOW).await?;
    for (letter, status) in [(&longest, LetterStatus::Replayed), (&ours, LetterStatus::Dropped)] {
        let found = subject.store().letter_decision(letter).await?;
        assert_eq!(found.map(|decision| decision.status), Some(status));
    }
    Ok(())
}
