//! Style sheet and scripts without what only their readers need: indentation, lines of comment and, in the sheet,
//! spaces between the parts of a rule. Done by the compiler, so that what is written stays readable and what is sent is
//! small. Pure; it knows no more of the languages than the rules that the tests of [`assets`](crate::ui::assets) check.

/// What a file is, and so what can be left away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Press {
    /// Everything stays.
    Nothing,
    /// A script: what a line begins with goes, comments, spaces beside signs, and ends of lines and statements that need none.
    /// No line begins within a text; from a backtick on a line stays as it is.
    Script,
    /// A style sheet: comments go, and spaces where they part nothing. No text has a brace or two spaces in it.
    Sheet,
}

/// So many bytes are left of `text`.
pub(super) const fn length(text: &[u8], how: Press) -> usize {
    minify::<0>(text, how).1
}

/// What is left of `text`, of which `N` is the [`length`].
pub(super) const fn pressed<const N: usize>(text: &[u8], how: Press) -> [u8; N] {
    minify::<N>(text, how).0
}

const fn minify<const N: usize>(text: &[u8], how: Press) -> ([u8; N], usize) {
    let (mut out, mut length, mut last) = ([0; N], 0, b'\n');
    // Of a script: the sign that ends the text in which `at` is; 0 outside of one.
    let mut quote = 0;
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let next = if at + 1 < text.len() { text[at + 1] } else { b'\n' };
        match how {
            Press::Script if last == b'\n' && matches!(byte, b' ' | b'\n') => {
                at += 1;
                continue;
            }
            Press::Script if last == b'\n' && byte == b'/' && next == b'/' => {
                while at < text.len() && text[at] != b'\n' {
                    at += 1;
                }
                continue;
            }
            Press::Script if quote == 0 && byte == b'/' && next == b'*' => {
                at = end_of_comment(text, at);
                continue;
            }
            Press::Script if quote == 0 && is_last_comment(text, at, last) => {
                while at < text.len() && text[at] != b'\n' {
                    at += 1;
                }
                continue;
            }
            Press::Script if quote == 0 && byte == b' ' && (needs_no_space(last) || needs_no_space(next)) => {
                at += 1;
                continue;
            }
            // The last semicolon of a block: no loop is without a body.
            Press::Script if quote == 0 && byte == b';' && is_before_closing_brace(text, at + 1) => {
                at += 1;
                continue;
            }
            Press::Script if byte == b'\n' && (matches!(last, b';' | b'{' | b',') || goes_on(text, at)) => {
                (quote, last) = (0, b'\n');
                at += 1;
                continue;
            }
            Press::Script if byte == b'\n' || byte == quote => quote = 0,
            Press::Script if quote != 0 && byte == b'\\' => {
                // What follows ends no text.
                if length < N {
                    out[length] = byte;
                }
                length += 1;
                at += 1;
                if at == text.len() {
                    break;
                }
                if length < N {
                    out[length] = text[at];
                }
                length += 1;
                last = text[at];
                at += 1;
                continue;
            }
            Press::Script if quote == 0 && byte == b'`' => quote = b'\n',
            Press::Script if quote == 0 && matches!(byte, b'\'' | b'"') => quote = byte,
            Press::Sheet if byte == b'/' && next == b'*' => {
                at = end_of_comment(text, at);
                continue;
            }
            Press::Sheet
                if matches!(byte, b' ' | b'\n')
                    && (matches!(last, b' ' | b'\n' | b'{' | b'}' | b';' | b':' | b',' | b'>')
                        || matches!(next, b' ' | b'\n' | b'{' | b'}' | b'>')) =>
            {
                at += 1;
                continue;
            }
            Press::Sheet if byte == b';' && is_before_closing_brace(text, at + 1) => {
                at += 1;
                continue;
            }
            _ => {}
        }
        last = if matches!(how, Press::Sheet) && byte == b'\n' { b' ' } else { byte };
        if length < N {
            out[length] = last;
        }
        length += 1;
        at += 1;
    }
    (out, length)
}

/// Behind the comment that begins at `at` with a slash and a star.
const fn end_of_comment(text: &[u8], mut at: usize) -> usize {
    at += 2;
    while at + 1 < text.len() && !(text[at] == b'*' && text[at + 1] == b'/') {
        at += 1;
    }
    at + 2
}

/// Whether a comment begins here that is the rest of its line.
const fn is_last_comment(text: &[u8], at: usize, last: u8) -> bool {
    at + 3 < text.len()
        && matches!(last, b';' | b',' | b'{' | b'}' | b')')
        && matches!((text[at], text[at + 1], text[at + 2], text[at + 3]), (b' ', b'/', b'/', b' '))
}

/// Whether a space beside this sign means nothing in a script. Not `+` and `-`: two of them are another sign.
const fn needs_no_space(byte: u8) -> bool {
    const NEED_NONE: &[u8] = b";,{}()[]=<>?:&|*'\"";
    let mut at = 0;
    while at < NEED_NONE.len() {
        if NEED_NONE[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether the line after `at` begins with a sign before which no statement ends, or with the end of a block.
const fn goes_on(text: &[u8], mut at: usize) -> bool {
    while at < text.len() && matches!(text[at], b' ' | b'\n') {
        at += 1;
    }
    at < text.len() && matches!(text[at], b'}' | b')' | b']' | b'.' | b'?' | b':' | b'&' | b'|')
}

/// Whether only spaces are between `at` and the brace that ends a rule.
const fn is_before_closing_brace(text: &[u8], mut at: usize) -> bool {
    while at < text.len() && matches!(text[at], b' ' | b'\n') {
        at += 1;
    }
    at < text.len() && text[at] == b'}'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(text: &str, how: Press) -> String {
        let mut room = minify::<4096>(text.as_bytes(), how);
        assert_eq!(room.1, length(text.as_bytes(), how));
        String::from_utf8_lossy(&room.0.as_mut_slice()[..room.1]).into_owned()
    }

    #[test]
    fn a_script_keeps_its_texts() {
        let script = "// What it is for.\n'use strict';\n{\n  // why\n  const a = 'x  // y'; // so: it's\n\n    f(a);\n}\n";
        assert_eq!(pressed(script, Press::Script), "'use strict';{const a='x  // y';f(a)}\n");
        for (script, left) in [
            ("let [a, b] = c ? { d: 1 } : [];", "let[a,b]=c?{d:1}:[];"),
            ("return a + +b - -c;", "return a + +b - -c;"),
            ("f('a, b', \"c : d\", e = 'it\\'s, so', g);", "f('a, b',\"c : d\",e='it\\'s, so',g);"),
            ("return 'a ' in b * c;", "return'a 'in b*c;"),
            ("f(a, `b, ${c ? `d, e` : ''}, f`, g);", "f(a,`b, ${c ? `d, e` : ''}, f`, g);"),
            ("{ if (a) { b(); } }\nc;", "{if(a){b()}}\nc;"),
            ("try { a(); } catch { /* the next time */ }", "try{a()}catch{}"),
            ("a\n  ? b\n  : c\nd", "a?b:c\nd"),
            ("g(/[\", ]/, a, b); h(a, b);", "g(/[\", ]/, a, b); h(a, b);"),
        ] {
            assert_eq!(pressed(script, Press::Script), left);
        }
    }

    #[test]
    fn a_sheet_keeps_the_spaces_that_mean_something() {
        let sheet = "/* 1 tokens */\n:root { --a: #fff; --b: calc(1px + 2px); }\n\n\
                     .a > b, .c :is(d, e) :hover { margin: 0 auto; color: red; }\n\
                     @media (max-width: 9px) and (x) {\n  .a b { content: \"/\"; }\n}\n";
        assert_eq!(
            pressed(sheet, Press::Sheet),
            ":root{--a:#fff;--b:calc(1px + 2px)}.a>b,.c :is(d,e) :hover{margin:0 auto;color:red}\
             @media (max-width:9px) and (x){.a b{content:\"/\"}}"
        );
    }

    #[test]
    fn nothing_goes_from_what_is_neither() {
        assert_eq!(pressed(" <svg />\n", Press::Nothing), " <svg />\n");
    }
}
