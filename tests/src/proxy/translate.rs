//! Replaces one text by another of the same length in what a proxy passes on.

/// What is replaced by what.
#[derive(Clone, Debug)]
pub(super) struct Translation {
    from: Vec<u8>,
    to: Vec<u8>,
}

impl Translation {
    /// # Panics
    /// If the texts differ in length: frames tell how long they are.
    pub(super) fn new(from: &str, to: &str) -> Self {
        assert!(!from.is_empty() && from.len() == to.len(), "{from} is not as long as {to}");
        Self { from: from.into(), to: to.into() }
    }

    /// A translator for one connection.
    pub(super) fn translator(&self) -> Translator {
        Translator { translation: self.clone(), held: Vec::new() }
    }
}

/// The translation of one stream of bytes.
#[derive(Debug)]
pub(super) struct Translator {
    translation: Translation,
    /// May be the beginning of the text that is replaced.
    held: Vec<u8>,
}

impl Translator {
    /// What can be passed on once `part` has come: all but an end that may be the beginning of the text.
    pub(super) fn pass(&mut self, part: &[u8]) -> Vec<u8> {
        let Translation { from, to } = &self.translation;
        self.held.extend_from_slice(part);
        let mut ready = Vec::with_capacity(self.held.len());
        let mut rest = self.held.as_slice();
        while !rest.is_empty() && !from.starts_with(rest) {
            if let Some(after) = rest.strip_prefix(from.as_slice()) {
                ready.extend_from_slice(to);
                rest = after;
            } else {
                let (first, after) = rest.split_at(1);
                ready.extend_from_slice(first);
                rest = after;
            }
        }
        if rest == from.as_slice() {
            ready.extend_from_slice(to);
            rest = &[];
        }
        self.held = rest.to_vec();
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_replaced_wherever_it_is_cut() {
        let stream = b"1 12 a:1, a:12 a:12a:1";
        let expected = b"1 12 a:1, b:34 b:34a:1";
        for cut in 0..=stream.len() {
            let mut translator = Translation::new("a:12", "b:34").translator();
            let (head, tail) = stream.split_at(cut);
            let mut passed = [translator.pass(head), translator.pass(tail)].concat();
            passed.extend_from_slice(&translator.held);
            assert_eq!(passed, expected, "cut at {cut}");
        }
    }

    #[test]
    fn nothing_is_held_but_a_beginning_of_the_text() {
        let mut translator = Translation::new("a:12", "b:34").translator();
        assert_eq!(translator.pass(b"xa:1"), b"x");
        assert_eq!(translator.pass(b"2"), b"b:34");
        assert_eq!(translator.pass(b"y"), b"y");
    }
}
