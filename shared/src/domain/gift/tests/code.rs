//! The code that a gift is given by.

use proptest::prelude::*;

use super::*;

#[test]
fn it_is_shown_in_four_groups_and_ends_in_its_last_four() {
    let code = GiftCode::from_bits(0x0123_4567_89ab_cdef_0123);
    let shown = code.shown();
    assert_eq!(shown.len(), 19);
    assert!(shown.split('-').all(|group| group.len() == 4), "{shown}");
    assert!(shown.ends_with(&code.last4()));
    assert_eq!(format!("{code:?}"), "GiftCode(…)");
}

#[test]
fn a_code_is_known_by_its_hmac_under_the_pepper() {
    let code = GiftCode::from_bits(7);
    let known = code.reference(b"pepper");
    assert_eq!(known.0.len(), 64);
    assert_eq!(known, GiftCode::from_bits(7).reference(b"pepper"));
    assert_ne!(known, code.reference(b"salt"));
    assert_ne!(known, GiftCode::from_bits(8).reference(b"pepper"));
    assert!(!known.0.contains(&code.last4()));
}

#[test]
fn letters_of_a_russian_keyboard_are_read_as_they_look() {
    let shown = "ABCE-HKMP-TXY0-1AB";
    let code = (0..32).map(|check| format!("{shown}{}", char::from(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[check])));
    let code = code.map(|text| GiftCode::parse(&text)).find_map(Result::ok).expect("one check symbol is right");
    let check = code.shown().chars().last().unwrap();
    let typed = format!("авсе нкмр тхуо іав{check}");
    assert_eq!(GiftCode::parse(&typed), Ok(code));
}

#[test]
fn what_is_no_code_is_refused_and_never_panics() {
    for typed in [
        "",
        "-",
        "ABCD",
        "UUUU-UUUU-UUUU-UUUU",
        "🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂",
        &"0".repeat(17),
        &" ".repeat(9_999),
    ] {
        assert_eq!(GiftCode::parse(typed), Err(NotACode));
    }
}

proptest! {
    #[test]
    fn what_is_shown_can_be_typed_in_any_manner(bits in any::<u128>(), lower in any::<bool>(), dashes in any::<bool>()) {
        let code = GiftCode::from_bits(bits);
        let mut typed = code.shown().replace('0', "O").replace('1', if lower { "l" } else { "I" });
        if lower { typed = typed.to_lowercase() }
        if !dashes { typed = format!(" {} ", typed.replace('-', "")) }
        prop_assert_eq!(GiftCode::parse(&typed), Ok(code));
    }

    #[test]
    fn only_75_bits_matter(bits in any::<u128>()) {
        prop_assert_eq!(GiftCode::from_bits(bits), GiftCode::from_bits(bits & ((1 << 75) - 1)));
    }

    #[test]
    fn one_wrong_symbol_and_two_that_changed_places_are_noticed(
        bits in any::<u128>(), at in 0usize..16, other in 0usize..16, wrong in 0usize..32,
    ) {
        let code = GiftCode::from_bits(bits);
        let letters: Vec<char> = code.shown().chars().filter(|letter| *letter != '-').collect();
        let mut mistyped = letters.clone();
        mistyped[at] = char::from(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[wrong]);
        let parsed = GiftCode::parse(&mistyped.iter().collect::<String>());
        prop_assert_eq!(parsed.is_ok(), mistyped == letters);
        let mut swapped = letters.clone();
        swapped.swap(at, other);
        let parsed = GiftCode::parse(&swapped.iter().collect::<String>());
        prop_assert_eq!(parsed.is_ok(), swapped == letters);
    }

    #[test]
    fn any_text_is_read_or_refused(typed in ".{0,200}") {
        let _ = GiftCode::parse(&typed);
    }
}
