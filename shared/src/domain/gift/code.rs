//! The code that a gift is given by: made from random bits, typed by people, known to the log by its HMAC alone.

use std::fmt;

use hmac::{Hmac, Mac};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Crockford's base 32: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 75 random bits and a check symbol.
const SYMBOLS: usize = 16;
/// The longest text that may be a code, blanks and dashes included.
const TYPED_BYTES_MAX: usize = 128;

/// A gift code: 15 random symbols and one that checks them. It shows itself in [`GiftCode::shown`] only.
#[derive(Clone, PartialEq, Eq)]
pub struct GiftCode([u8; SYMBOLS]);

/// What the log and the tables know of a code: its HMAC-SHA-256 under the pepper, in hex.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CodeRef(pub String);

/// The text is no code, or a symbol of it is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a gift code")]
pub struct NotACode;

impl GiftCode {
    /// The code of 75 random bits; the others of `bits` are not looked at.
    pub fn from_bits(bits: u128) -> Self {
        let mut symbols = [0; SYMBOLS];
        for (at, symbol) in symbols.iter_mut().take(SYMBOLS - 1).enumerate() {
            *symbol = (bits >> (5 * at) & 31) as u8;
        }
        symbols[SYMBOLS - 1] = times_alpha(checksum(&symbols[..SYMBOLS - 1]));
        Self(symbols)
    }

    /// Reads what people type: any case, with blanks and dashes or without, O for 0, I or L for 1, and the letters of a
    /// Russian keyboard that look like Latin ones.
    pub fn parse(typed: &str) -> Result<Self, NotACode> {
        if typed.len() > TYPED_BYTES_MAX {
            return Err(NotACode);
        }
        let mut symbols = [0; SYMBOLS];
        let mut count = 0;
        for letter in typed.chars().filter(|letter| !is_filling(*letter)) {
            *symbols.get_mut(count).ok_or(NotACode)? = symbol(letter).ok_or(NotACode)?;
            count += 1;
        }
        if count == SYMBOLS && checksum(&symbols) == 0 { Ok(Self(symbols)) } else { Err(NotACode) }
    }

    /// The code as people read it: `XXXX-XXXX-XXXX-XXXX`.
    pub fn shown(&self) -> String {
        let letters: Vec<char> = self.letters().collect();
        letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    }

    /// The last four symbols, by which people tell their gifts apart.
    pub fn last4(&self) -> String {
        self.letters().skip(SYMBOLS - 4).collect()
    }

    /// What the log may know of it.
    pub fn reference(&self, pepper: &[u8]) -> CodeRef {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(pepper).expect("HMAC takes a key of any length");
        mac.update(b"homefood gift code v1\0");
        mac.update(&self.0);
        CodeRef(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn letters(&self) -> impl Iterator<Item = char> + '_ {
        self.0.iter().map(|symbol| char::from(ALPHABET[usize::from(*symbol)]))
    }
}

impl fmt::Debug for GiftCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GiftCode(…)")
    }
}

/// The code as a polynomial over GF(32) at a generator of the field: not zero after any wrong symbol, nor after any two
/// that changed places.
fn checksum(symbols: &[u8]) -> u8 {
    symbols.iter().fold(0, |sum, symbol| times_alpha(sum) ^ symbol)
}

/// Times x, modulo x⁵ + x² + 1.
fn times_alpha(element: u8) -> u8 {
    let doubled = element << 1;
    if doubled & 32 == 0 { doubled } else { doubled ^ 0b10_0101 }
}

fn is_filling(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '-' | '_' | '.' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{200b}')
}

fn symbol(letter: char) -> Option<u8> {
    let letter = letter.to_uppercase().next()?;
    let latin = match letter {
        'O' | 'О' => '0',
        'I' | 'L' | 'І' => '1',
        'А' => 'A',
        'В' => 'B',
        'С' => 'C',
        'Е' => 'E',
        'Н' => 'H',
        'К' => 'K',
        'М' => 'M',
        'Р' => 'P',
        'Т' => 'T',
        'Х' => 'X',
        'У' => 'Y',
        other => other,
    };
    let found = ALPHABET.iter().position(|known| char::from(*known) == latin)?;
    u8::try_from(found).ok()
}
