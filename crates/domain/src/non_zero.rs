//! Constants above zero, written as plain numbers.

/// A [`NonZero`](core::num::NonZero) of a constant; zero does not compile: `non_zero!(500)`. The type is inferred.
#[macro_export]
macro_rules! non_zero {
    ($number:expr) => {
        const {
            match ::core::num::NonZero::new($number) {
                Some(number) => number,
                None => panic!("it is zero"),
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroUsize};

    #[test]
    fn the_number_is_the_one_that_is_written_in_the_type_that_is_expected() {
        const HOURS: NonZeroU32 = non_zero!(7 * 24);
        let lanes: NonZeroUsize = non_zero!(2);
        assert_eq!((HOURS.get(), lanes.get()), (168_u32, 2_usize));
    }
}
