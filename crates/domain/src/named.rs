//! Enums whose values have a stable name each.

/// Defines an enum whose values have a stable name each, as in rows, messages, answers and metrics:
/// `Created = "created"`. It gets `ALL`, `as_str`, its inverse `parse`, and `Display`.
#[macro_export]
macro_rules! named {
    (
        $(#[$about:meta])*
        $visibility:vis enum $enum:ident { $($(#[$about_value:meta])* $value:ident = $name:literal,)+ }
    ) => {
        $(#[$about])*
        $visibility enum $enum {
            $($(#[$about_value])* $value,)+
        }

        impl $enum {
            /// Every value.
            $visibility const ALL: [Self; [$($name),+].len()] = [$(Self::$value),+];

            /// The stable name.
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $name,)+
                }
            }

            /// The value with that name.
            $visibility fn parse(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|value| value.as_str() == name)
            }
        }

        impl ::core::fmt::Display for $enum {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

#[cfg(test)]
mod tests {
    named! {
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        enum Light {
            #[default]
            Red = "red",
            Green = "go_on",
        }
    }

    #[test]
    fn a_value_is_found_by_its_name_and_by_no_other() {
        assert_eq!(Light::ALL.map(|light| Light::parse(light.as_str())), Light::ALL.map(Some));
        assert_eq!((Light::default().to_string().as_str(), Light::parse("green")), ("red", None));
    }
}
