//! Finds a secret in any text by undoing encodings, knowing nothing of how the scrubber looks for it.

/// Whether the secret is in the text, under up to `depth` encodings.
pub fn finds(text: &[u8], secret: &str, depth: u32) -> bool {
    if text.len() < secret.len() {
        return false;
    }
    let here = String::from_utf8_lossy(text).contains(secret);
    here || depth > 0 && views(text).iter().any(|view| view != text && finds(view, secret, depth - 1))
}

fn views(text: &[u8]) -> Vec<Vec<u8>> {
    let mut views = vec![percent(text, false), percent(text, true), backslashes(text), entities(text), shell(text)];
    views.extend(hex(text));
    views.extend(base64(text));
    views
}

fn percent(text: &[u8], plus: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let code = text.get(at + 1..at + 3).and_then(|code| std::str::from_utf8(code).ok());
        match (text[at], code.and_then(|code| u8::from_str_radix(code, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (b'+', _) if plus => {
                out.push(b' ');
                at += 1;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

fn backslashes(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('u') => {
                let code: String = chars.by_ref().take(4).collect();
                out.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
            }
            other => out.extend(other),
        }
    }
    out.into_bytes()
}

fn entities(text: &[u8]) -> Vec<u8> {
    let mut text = String::from_utf8_lossy(text).into_owned();
    for code in 1..256_u32 {
        let char = char::from_u32(code).expect("below 256").to_string();
        text = text.replace(&format!("&#{code};"), &char).replace(&format!("&#x{code:x};"), &char);
        text = text.replace(&format!("&#x{code:X};"), &char);
    }
    for (name, char) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")] {
        text = text.replace(name, char);
    }
    text.into_bytes()
}

fn shell(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text).replace(r"'\''", "'").replace(r#"'"'"'"#, "'").into_bytes()
}

fn runs(text: &[u8], good: impl Fn(u8) -> bool, shortest: usize) -> Vec<Vec<u8>> {
    text.split(|byte| !good(*byte)).filter(|run| run.len() >= shortest).map(<[u8]>::to_vec).collect()
}

fn hex(text: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for run in runs(text, |byte| byte.is_ascii_hexdigit(), 8) {
        for start in 0..2 {
            let pairs = run[start..].chunks_exact(2);
            found.push(
                pairs
                    .map(|pair| {
                        u8::from_str_radix(std::str::from_utf8(pair).expect("digits are text"), 16)
                            .expect("these are digits")
                    })
                    .collect(),
            );
        }
    }
    found
}

fn base64(text: &[u8]) -> Vec<Vec<u8>> {
    let digit = |byte: u8| -> Option<u32> {
        Some(
            match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                _ => return None,
            }
            .into(),
        )
    };
    let mut found = Vec::new();
    // Broken lines are joined first.
    let joined: Vec<u8> = text.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
    for run in [runs(text, |byte| digit(byte).is_some(), 6), runs(&joined, |byte| digit(byte).is_some(), 6)].concat() {
        for start in 0..4.min(run.len()) {
            let (mut bits, mut n_bits, mut out) = (0_u32, 0, Vec::new());
            for byte in &run[start..] {
                bits = bits << 6 | digit(*byte).expect("only digits are in a run");
                n_bits += 6;
                if n_bits >= 8 {
                    n_bits -= 8;
                    out.push(u8::try_from(bits >> n_bits & 0xff).expect("eight bits"));
                }
            }
            found.push(out);
        }
    }
    found
}
