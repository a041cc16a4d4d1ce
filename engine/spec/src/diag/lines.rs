//! Lines and columns of a text, found without reading it from its beginning each time.

/// Distance in bytes between known counts of characters.
const STEP: usize = 256;

/// Where the lines of a text begin.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    starts: Vec<usize>,
    /// Characters before every `STEP` bytes; empty where each byte is a character.
    characters: Vec<usize>,
}

impl Lines {
    /// Reads a text once.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(offset, _)| offset + 1)).collect();
        let mut characters = Vec::new();
        if !text.is_ascii() {
            let mut n_characters = 0;
            for (offset, byte) in text.bytes().enumerate() {
                if offset % STEP == 0 {
                    characters.push(n_characters);
                }
                // A byte that only continues a character begins with the bits 10.
                n_characters += usize::from(byte & 0b1100_0000 != 0b1000_0000);
            }
        }
        Self { starts, characters }
    }

    /// Characters before a byte.
    fn before(&self, text: &str, offset: usize) -> usize {
        let Some(known) = self.characters.get(offset / STEP) else {
            return if self.characters.is_empty() { offset } else { text.chars().count() };
        };
        let from = offset / STEP * STEP;
        let bytes = text.as_bytes().get(from..offset).unwrap_or_default();
        known + bytes.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count()
    }

    /// 1-based line and column (in characters) of a byte.
    #[must_use]
    pub fn line_column(&self, text: &str, offset: usize) -> (u32, u32) {
        let offset = offset.min(text.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.before(text, offset) - self.before(text, start) + 1;
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }

    /// The byte at a 1-based line and column.
    #[must_use]
    pub fn offset(&self, text: &str, line: u32, column: u32) -> Option<usize> {
        let line = usize::try_from(line).ok()?.checked_sub(1)?;
        let (start, column) = (*self.starts.get(line)?, usize::try_from(column).ok()?.saturating_sub(1));
        let end = self.starts.get(line + 1).copied().unwrap_or(text.len());
        if self.characters.is_empty() {
            return Some((start + column).min(end));
        }
        let wanted = self.before(text, start) + column;
        // The block before the one that begins behind the wanted character holds it.
        let block = self.characters.partition_point(|known| *known <= wanted).saturating_sub(1);
        let from = (block * STEP).max(start);
        let from = (from..=text.len()).find(|offset| text.is_char_boundary(*offset))?;
        let rest = wanted - self.before(text, from).min(wanted);
        let found = text.get(from..end)?.char_indices().nth(rest).map(|(offset, _)| from + offset);
        Some(found.unwrap_or(end))
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;
    use crate::diag::line_column;

    #[test]
    fn every_place_is_found_and_found_again() {
        let long = "ä日x".repeat(300);
        for text in ["", "a\nb\n", "Größe\n日本 x\n", long.as_str(), &format!("{long}\n{long}y\nz")] {
            let lines = Lines::new(text);
            for (offset, _) in text.char_indices() {
                let (line, column) = lines.line_column(text, offset);
                assert_eq!((line, column), line_column(text, offset), "{offset} of {text}");
                assert_eq!(lines.offset(text, line, column), Some(offset), "{line}:{column} of {text}");
            }
        }
    }
}
